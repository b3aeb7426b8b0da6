"""The demo's feeder: what a SIEM or mail gateway does, with the stock thehive4py 2.1.0 in its own environment.

    python feeder.py alert <hive URL> <mail file>      posts the phishing alert, prints it as JSON
    python feeder.py log <hive URL> <task id> <file>   adds a log with an attachment to a task

The API key is read from the environment variable HIVE_API_KEY. Status 3: the server refused; its answer is printed.
"""

import json
import os
import sys

from thehive4py import TheHiveApi
from thehive4py.errors import TheHiveError

ALERT = {
    "type": "phishing",
    "source": "mail-gateway",
    "sourceRef": "MG-2026-11-24-0001",
    "title": "Payroll phishing sent to finance",
    "description": "The gateway held back a mail that **asks for payroll credentials**. SPF and DMARC fail.",
    "severity": 3,
    "tags": ["phishing", "payroll"],
    "observables": [
        {"dataType": "mail", "data": "payroll@payroll-acme.example", "message": "sender", "ioc": True},
        {"dataType": "url", "data": "https://portal.payroll-acme.example/login?next=https://acme.example/", "ioc": True},
        {"dataType": "domain", "data": "payroll-acme.example", "ioc": True},
        {"dataType": "ip", "data": "198.51.100.23", "message": "sending host", "ioc": True, "tags": ["smtp"]},
        {"dataType": "hash", "data": "2b4c2a4f9d2c2a5d7f3f6a2b4c2a4f9d2c2a5d7f3f6a2b4c2a4f9d2c2a5d7f3f", "tlp": 1},
        {"dataType": "file", "attachment": "mail", "message": "the mail as received"},
    ],
}


def main():
    command, url, *rest = sys.argv[1:]
    hive = TheHiveApi(url=url, apikey=os.environ["HIVE_API_KEY"])
    try:
        if command == "alert":
            answer = hive.alert.create(alert=ALERT, attachment_map={"mail": rest[0]})
        else:
            log = {"message": "Blocked the sender at the gateway; the **held mail** is attached.", "attachments": [rest[1]]}
            answer = hive.task_log.create(task_id=rest[0], task_log=log)
    except TheHiveError as error:
        print(json.dumps({"refused": str(error), "status": getattr(error.response, "status_code", None)}))
        sys.exit(3)
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
