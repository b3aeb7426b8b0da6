rule Office_Macro_Autostart
{
    meta:
        description = "A macro that starts by itself and runs a program"
        level = "suspicious"
    strings:
        $start1 = "AutoOpen" nocase
        $start2 = "Document_Open" nocase
        $start3 = "Workbook_Open" nocase
        $run1 = "Shell(" nocase
        $run2 = "WScript.Shell" nocase
        $run3 = "powershell" nocase
    condition:
        any of ($start*) and any of ($run*)
}

rule Script_Download_And_Run
{
    meta:
        description = "A script that fetches something and runs it"
        level = "malicious"
    strings:
        $fetch1 = "DownloadString" nocase
        $fetch2 = "DownloadFile" nocase
        $fetch3 = "MSXML2.XMLHTTP" nocase
        $fetch4 = "Invoke-WebRequest" nocase
        $run1 = "Invoke-Expression" nocase
        $run2 = "IEX(" nocase
        $run3 = "ShellExecute" nocase
        $run4 = "Start-Process" nocase
    condition:
        any of ($fetch*) and any of ($run*)
}

rule Html_Credential_Form
{
    meta:
        description = "An HTML file with a password form that sends to another host"
        level = "suspicious"
    strings:
        $form = /<form[^>]{0,300}action\s*=\s*["']https?:\/\//i
        $password = /<input[^>]{0,200}type\s*=\s*["']?password/i
    condition:
        $form and $password
}

rule Eicar_Test_File
{
    meta:
        description = "The EICAR test file, by its hash-free marker"
        level = "malicious"
    strings:
        $a = "EICAR-STANDARD-ANTIVIRUS"
        $b = "-TEST-FILE!"
    condition:
        $a and $b and filesize < 1024
}
