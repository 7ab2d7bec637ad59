"""Puts a package together out of what was built: zips, the page, the template without SAM, a list.

`cargo xtask package` calls it; the same input gives the same bytes.
"""

import argparse
import hashlib
import json
import shutil
import sys
import zipfile
from pathlib import Path

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse

HERE = Path(__file__).resolve().parent
TEMPLATE = HERE / "template.yaml"
FUNCTIONS = ["authorizer", "notifier", "rest", "translator", "websocket"]

# The parameter of the expanded template that names the bucket with the functions' zips.
CODE_BUCKET = "CodeBucket"
# The largest zip that Lambda takes from a bucket, in bytes unpacked ("Lambda quotas", deployment
# package size).
MOST_UNPACKED = 262_144_000
# The machine of an ELF file: EM_AARCH64 of the ELF specification's e_machine.
EM_AARCH64 = 183


def read_template(path=TEMPLATE):
    """The template as it is written, with `!Ref` and the like as objects."""
    return yaml_parse(path.read_text())


def function_name(logical_id):
    """`WebsocketFunction` is made from `websocket.zip`."""
    return logical_id.removesuffix("Function").lower()


def expand(template, code_keys):
    """What AWS would make of the SAM template: plain CloudFormation. The functions' code lies in the
    bucket that a further parameter names, under `code_keys`."""
    template = json.loads(json.dumps(template))
    template["Parameters"][CODE_BUCKET] = {
        "Type": "String",
        "Description": "The bucket with the functions' zips, in the stack's region.",
    }
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            key = code_keys[function_name(logical_id)]
            resource["Properties"]["CodeUri"] = {"Bucket": {"Ref": CODE_BUCKET}, "Key": key}
    # No managed policy is named, so none has to be known.
    return Translator({}, Parser()).translate(template, {})


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def zipped(binary):
    """`bootstrap` in a zip, without the time or anything else that would differ."""
    data = binary.read_bytes()
    if data[:4] != b"\x7fELF" or int.from_bytes(data[18:20], "little") != EM_AARCH64:
        sys.exit(f"{binary} is no program for Linux on arm64")
    if len(data) > MOST_UNPACKED:
        sys.exit(f"{binary} has {len(data):,} bytes; Lambda takes {MOST_UNPACKED:,}")
    return data


def write_zip(path, data):
    info = zipfile.ZipInfo("bootstrap", date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.create_system = 3
    info.external_attr = 0o100755 << 16
    with zipfile.ZipFile(path, "w", compresslevel=9) as archive:
        archive.writestr(info, data)


def copy_page(page, target):
    # Each deployment writes its own.
    left_out = {"config.json", "config.json.br"}
    for file in sorted(page.rglob("*")):
        name = file.relative_to(page)
        # Trunk works in a hidden folder, and leaves it there when it is interrupted.
        if file.is_dir() or str(name) in left_out or any(part.startswith(".") for part in name.parts):
            continue
        if file.suffix != ".br" and not file.with_name(file.name + ".br").is_file():
            sys.exit(f"{name} has no copy that is compressed with Brotli: build the page with Node.js")
        destination = target / name
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, destination)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--binaries", type=Path, required=True, help="FUNCTION/bootstrap, built for arm64")
    options.add_argument("--page", type=Path, required=True, help="the page, built for release")
    options.add_argument("--out", type=Path, required=True, help="where to; a package that is there is replaced")
    given = options.parse_args()

    if given.out.exists() and any(given.out.iterdir()) and not (given.out / "contents.json").is_file():
        sys.exit(f"{given.out} is there and holds no package: name another folder")
    shutil.rmtree(given.out, ignore_errors=True)
    functions = given.out / "functions"
    functions.mkdir(parents=True)
    unpacked, code_keys = {}, {}
    for name in FUNCTIONS:
        data = zipped(given.binaries / f"babelwire-{name}" / "bootstrap")
        path = functions / f"{name}.zip"
        write_zip(path, data)
        unpacked[path] = len(data)
        code_keys[name] = f"functions/{name}-{sha256(path.read_bytes())[:16]}.zip"
    copy_page(given.page, given.out / "page")

    # For whoever deploys with SAM's own tools.
    sam = TEMPLATE.read_text()
    for name in FUNCTIONS:
        sam = sam.replace(f"../target/package/functions/{name}.zip", f"functions/{name}.zip")
    (given.out / "template.yaml").write_text(sam)
    expanded = json.dumps(expand(read_template(), code_keys), indent=1, sort_keys=True)
    (given.out / "template.json").write_text(expanded + "\n")

    contents = []
    for file in sorted(given.out.rglob("*")):
        if file.is_file():
            data = file.read_bytes()
            entry = {"name": file.relative_to(given.out).as_posix(), "size": len(data), "sha256": sha256(data)}
            if file in unpacked:
                entry |= {"unpacked": unpacked[file], "key": code_keys[file.stem]}
            contents.append(entry)
    (given.out / "contents.json").write_text(json.dumps(contents, indent=1) + "\n")

    for entry in contents:
        unpacked_size = f"  ({entry['unpacked']:,} unpacked)" if "unpacked" in entry else ""
        print(f"{entry['size']:>12,}  {entry['sha256']}  {entry['name']}{unpacked_size}")


if __name__ == "__main__":
    main()
