"""`faelleslab-hub audit`: verify, export, a person's events, erasure by rule, and a checkpoint now."""

import argparse
import json
from pathlib import Path

from faelleslab_hub.danish_arguments import DanishParser
from faelleslab_hub.settings import Settings

BROKEN = 4


def add_commands(subparsers: "argparse._SubParsersAction[DanishParser]") -> None:
    """Add `audit` and its tasks."""
    parser = subparsers.add_parser("audit", help="kontrollér, eksportér og slet i revisionssporet")
    tasks = parser.add_subparsers(dest="task", required=True, metavar="OPGAVE", title="opgaver")

    verify = tasks.add_parser("verify", help="kontrollér at intet er ændret; kode 0 når alt er helt, ellers 4")
    where = verify.add_mutually_exclusive_group()
    where.add_argument("--chain", metavar="KÆDE", help="kun denne kæde: en kommunekode, kursus eller drift")
    where.add_argument("--file", metavar="FIL", type=Path, help="en eksporteret kæde; kræver ingen database")
    verify.add_argument("--public-key", metavar="FIL", type=Path, help="den offentlige nøgle, du har fået udleveret")
    verify.set_defaults(handler=_verify)

    export = tasks.add_parser("export", help="skriv en kæde som JSON-linjer, en udenforstående kan kontrollere")
    export.add_argument("chain", metavar="KÆDE")
    export.add_argument("--personal", action="store_true", help="tag de personlige dele med")
    export.set_defaults(handler=_export)

    person = tasks.add_parser("person", help="skriv alt, hvad sporet har om en konto, som JSON-linjer")
    person.add_argument("name", metavar="KONTO")
    person.set_defaults(handler=_person)

    erase = tasks.add_parser("erase", help="slet de personlige dele om en konto efter en regel; kan ikke fortrydes")
    erase.add_argument("name", metavar="KONTO")
    erase.add_argument("--rule", metavar="REGEL", required=True, help="reglen, fx 'opbevaring 5 år'")
    erase.set_defaults(handler=_erase)

    checkpoint = tasks.add_parser("checkpoint", help="underskriv kædernes hoveder nu")
    checkpoint.set_defaults(handler=_checkpoint)


def _verify(given: argparse.Namespace, settings: Settings) -> int:
    from faelleslab_hub.audit import checkpoint, export, verify

    progress = verify.show_progress()
    key_path = given.public_key or settings.checkpoints / "public-key.pem"
    # Without any checkpoint there is nothing to check by a key; with one, a missing key is an error.
    needed = given.public_key or given.file or any(settings.checkpoints.glob("*.jsonl"))
    key = checkpoint.public_key(key_path) if needed else None
    if given.file and key:
        verdicts = iter([export.verify_file(given.file, key, progress)])
    elif given.chain:
        if given.chain not in verify.chains(settings):
            raise export.unknown_chain(given.chain)
        verdicts = iter([verify.verify_chain(settings, given.chain, key, progress)])
    else:
        verdicts = verify.verify_all(settings, key, progress)
    whole = True
    n_events = n_erased = 0
    for verdict in verdicts:
        print(verdict.sentence())
        for finding in verdict.findings:
            print(f"  {finding.kind.value}: {finding}")
        if verdict.n_findings > len(verdict.findings):
            print(f"  … og {verdict.n_findings - len(verdict.findings)} flere.")
        whole = whole and verdict.whole
        n_events += verdict.n_events
        n_erased += verdict.n_erased
    print(f"I alt {n_events} hændelser, heraf {n_erased} med lovligt slettet personlig del: {_verdict(whole=whole)}")
    return 0 if whole else BROKEN


def _verdict(*, whole: bool) -> str:
    return "revisionssporet er helt." if whole else "REVISIONSSPORET ER IKKE HELT (FL-A001)."


def _export(given: argparse.Namespace, settings: Settings) -> int:
    from faelleslab_hub.audit import export

    for line in export.write(settings, given.chain, personal=given.personal):
        print(line)
    return 0


def _person(given: argparse.Namespace, settings: Settings) -> int:
    from faelleslab_hub import database
    from faelleslab_hub.audit import person

    with database.session(settings, read_only=True) as session:
        for event in person.events_of(session, given.name):
            print(json.dumps(event, ensure_ascii=False))
    return 0


def _erase(given: argparse.Namespace, settings: Settings) -> int:
    from faelleslab_hub.audit import person

    for chain, n_events in sorted(person.erase(settings, given.name, given.rule).items()):
        print(f"{chain}: den personlige del af {n_events} hændelser er slettet efter reglen '{given.rule}'.")
    return 0


def _checkpoint(_given: argparse.Namespace, settings: Settings) -> int:
    from faelleslab_hub import secret_files
    from faelleslab_hub.audit import checkpoint
    from faelleslab_hub.audit.signer import Signer

    signer = Signer(settings, checkpoint.private_key(secret_files.read(settings, "broker", "checkpoint-key")))
    for signed in signer.sign_moved():
        print(f"{signed.chain}: hændelse {signed.seq} er underskrevet (kontrolpunkt {signed.number}).")
    for finding in signer.stopped.values():
        print(f"{finding.chain}: ikke underskrevet. {finding}")
    return BROKEN if signer.stopped else 0
