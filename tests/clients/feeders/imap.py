"""As imap2thehive does with thehive4py 1.5.1 (contracts hive-v0 §6.4): a mail becomes an alert, or a case with its attachments.

Arguments: URL, key. Prints what the program reads of the answers.
"""

import json
import sys
from pathlib import Path
from tempfile import mkdtemp

from thehive4py.api import TheHiveApi
from thehive4py.models import Alert, AlertArtifact, Case, CaseObservable, CaseTask, CustomFieldHelper

url, key = sys.argv[1:]
hive = TheHiveApi(url, key)
folder = Path(mkdtemp())
(folder / "invoice.pdf").write_bytes(b"%PDF-1.4 suspicious")


def made(answer):
    assert answer.status_code == 201, (answer.status_code, answer.text)
    return answer.json()


alert = made(
    hive.create_alert(
        Alert(
            title="[ALERT] beacon", tlp=2, tags=["email"], description="text of the mail", type="external",
            source="Ann <ann@corp.example>", sourceRef="a1b2c3",
            artifacts=[AlertArtifact(dataType="ip", data="203.0.113.20"), AlertArtifact(dataType="url", data="http://evil.example/")],
        )
    )
)  # fmt: skip
fields = CustomFieldHelper().add_string("from", "Ann <ann@corp.example>").add_string("attachment", "['invoice.pdf']").build()
case = made(
    hive.create_case(
        Case(
            title="Suspicious invoice",
            tlp=3,
            flag=False,
            tags=["email"],
            description="text of the mail",
            customFields=fields,
            tasks=[CaseTask(title="Investigation"), CaseTask(title="Communication")],
        )
    )
)
file = made(
    hive.create_case_observable(
        case["id"], CaseObservable(dataType="file", data=[str(folder / "invoice.pdf")], tlp=3, ioc=False, tags=["email"],
                                   message="Found as email attachment"),
    )
)  # fmt: skip
found = [
    made(hive.create_case_observable(case["id"], CaseObservable(dataType=kind, data=value, tlp=3, message="Found in the body")))
    for kind, value in (("domain", "evil.example"), ("ossec_level", "12"))
]
by_template = made(hive.create_case(Case(title="By template", tlp=2, tags=[], description="d", template="Phishing")))
tasks = hive.get_case_tasks(case["id"]).json()
print(
    json.dumps(
        {
            "sourceRef": alert["sourceRef"], "status": alert["status"], "fields": case["customFields"], "tlp": case["tlp"],
            "tasks": sorted(task["title"] for task in tasks), "file": file[0]["attachment"]["name"],
            "types": [one[0]["dataType"] for one in found], "template": by_template["title"],
        }
    )
)  # fmt: skip
