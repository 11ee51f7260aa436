"""Validates recorded exchanges, and the demo's own tables of parameters, against the official specification.

Arguments: the wheel of the vendor's command line (its api.json files are the specification), the
record (one JSON object a line), the demo's parameters.toml and constraints.toml.
"""

import json
import re
import sys
import tomllib
import zipfile

# Words in a field's description that introduce a closed list of values.
LISTING = re.compile("取值|可选值|包括：|包含|类型有|状态（|支持传入")
# Words in a parameter's description that limit its value beyond its type.
LIMIT = re.compile(
    "上限|最大值|最小值|最多|最大|小于|取值|不能超|不超过|不得超过|不支持同时|不可同时|不可以与|只支持|仅支持|当前只|"
    "目前支持|支持：|互斥|可选值|格式|必须|仅允许|以外|\\[\\d+, ?\\d+\\]"
)
KINDS = {
    "string": str,
    "binary": str,
    "int64": int,
    "uint64": int,
    "int": int,
    "uint": int,
    "integer": int,
    "float": (int, float),
    "double": (int, float),
    "bool": bool,
    "boolean": bool,
}
TIMES = {
    "datetime_iso": re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)"),
    "datetime": re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d.*|"),
    "date": re.compile(r"\d{4}-\d\d-\d\d.*"),
}


class Specification:
    def __init__(self, wheel):
        self.archive = zipfile.ZipFile(wheel)
        self.loaded = {}

    def service(self, name, version):
        key = (name, version)
        if key not in self.loaded:
            path = "tccli/services/%s/v%s/api.json" % (name, version.replace("-", ""))
            self.loaded[key] = json.loads(self.archive.read(path))
        return self.loaded[key]


class Checker:
    """Collects deviations of one message from the structures of one service."""

    def __init__(self, objects, is_answer):
        self.objects = objects
        self.is_answer = is_answer
        self.deviations = []

    def say(self, path, text):
        self.deviations.append("%s: %s" % (path or "(top)", text))

    def structure(self, path, name, value):
        members = {m["name"]: m for m in self.objects[name]["members"]}
        for field, content in value.items():
            if field not in members:
                self.say(path, "unknown field %s" % field)
            else:
                self.member("%s.%s" % (path, field), members[field], content)
        for field, member in members.items():
            needed = member.get("output_required") if self.is_answer else member.get("required")
            if needed and field not in value:
                self.say(path, "required field %s is missing" % field)

    def member(self, path, member, value):
        if value is None:
            nullable = member.get("value_allowed_null") or "null" in member.get("document", "")
            if self.is_answer and not nullable:
                self.say(path, "null is not allowed")
            return
        if member["type"] == "list":
            if not isinstance(value, list):
                self.say(path, "a list is needed")
                return
            for index, item in enumerate(value):
                self.single("%s.%d" % (path, index), member, item)
        else:
            self.single(path, member, value)

    def single(self, path, member, value):
        kind = member["member"]
        if kind in self.objects:
            if isinstance(value, dict):
                self.structure(path, kind, value)
            else:
                self.say(path, "a structure %s is needed" % kind)
        elif kind in TIMES:
            if not isinstance(value, str) or not TIMES[kind].fullmatch(value):
                self.say(path, "%r is no %s" % (value, kind))
        elif not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and KINDS[kind] is not bool):
            self.say(path, "%r is no %s" % (value, kind))
        elif kind.startswith("uint") and value < 0:
            self.say(path, "%r is negative" % value)
        elif isinstance(value, str):
            self.one_of(path, member, value)

    def one_of(self, path, member, value):
        document = member.get("document", "")
        # What a filter may name is documented with the action, not with the values of a filter.
        if ".Filters." in path or not LISTING.search(document) or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_.]*", value):
            return
        words = {word.lower() for word in re.findall(r"[A-Za-z][A-Za-z0-9_.]*", document)}
        if len(words) > 1 and value.lower() not in words:
            self.say(path, "%r is not among the documented values" % value)


def check_record(specification, lines):
    failures, seen = {}, set()
    for line in lines:
        exchange = json.loads(line)
        outcome = exchange["outcome"]
        if outcome.get("error", {}).get("code") in ("InvalidAction", "NoSuchVersion"):
            continue  # a test asked for an action that does not exist
        service = specification.service(exchange["service"], exchange["version"])
        action = service["actions"][exchange["action"]]
        messages = []
        if "error" not in outcome:
            seen.add((exchange["service"], exchange["version"], exchange["action"]))
            # Refused requests are refused for being wrong; only accepted ones must be right.
            messages.append((action["input"], exchange["request"], False))
            messages.append((action["output"], outcome["response"], True))
        for name, message, is_answer in messages:
            checker = Checker(service["objects"], is_answer)
            checker.structure("", name, message)
            for deviation in checker.deviations:
                where = "%s %s" % (exchange["action"], "answer" if is_answer else "request")
                text = re.sub(r"\.\d+", ".N", deviation)
                failures[(where, text)] = failures.get((where, text), 0) + 1
    return failures, seen


def type_of(member):
    kind = {
        "int64": "int",
        "uint64": "int",
        "boolean": "bool",
        "datetime_iso": "string",
        "datetime": "string",
        "date": "string",
        "float64": "float",
        "double": "float",
    }.get(member["member"], member["member"])
    kind = "[%s]" % kind if member["type"] == "list" else kind
    return kind + ("!" if member.get("required") else "")


def check_catalogue(specification, catalogue):
    failures = []
    for key, actions in catalogue["actions"].items():
        service = specification.service(*key.split(" "))
        for action, fields in actions.items():
            name = service["actions"][action]["input"]
            compare(failures, "%s %s" % (key, action), service["objects"][name], fields)
    for key, types in catalogue["types"].items():
        service = specification.service(*key.split(" "))
        for name, fields in types.items():
            compare(failures, "%s %s" % (key, name), service["objects"][name], fields)
    return failures


def check_constraints(specification, catalogue, constraints):
    """Each parameter whose text holds a limit has a row, and each row belongs to a parameter."""
    failures, known, limited = [], set(), 0
    for mark, table in ((":", catalogue["actions"]), ("#", catalogue["types"])):
        for key, entries in table.items():
            service = specification.service(*key.split(" "))
            for name in entries:
                structure = service["actions"][name]["input"] if mark == ":" else name
                where = "%s%s%s" % (key.split(" ")[0], mark, name)
                for member in service["objects"][structure]["members"]:
                    known.add((where, member["name"]))
                    text = re.sub("<[^>]+>", " ", member.get("document") or "")
                    if member["member"] in ("bool", "boolean") or not LIMIT.search(text):
                        continue
                    limited += 1
                    if member["name"] not in constraints.get(where, {}):
                        failures.append("no row for %s.%s: %s" % (where, member["name"], text[:120]))
    rows = {(where, field) for where, fields in constraints.items() for field in fields}
    failures += ["a row for %s.%s, which does not exist" % row for row in sorted(rows - known)]
    print("%d parameters with a limit in their text, %d rows" % (limited, len(rows)))
    return failures


def compare(failures, where, structure, fields):
    official = {m["name"]: type_of(m) for m in structure["members"]}
    if official != fields:
        failures.append("%s: %s" % (where, set(official.items()) ^ set(fields.items())))


def main():
    wheel, record, catalogue_path, constraints_path = sys.argv[1:]
    specification = Specification(wheel)
    with open(catalogue_path, "rb") as file:
        catalogue = tomllib.load(file)
    with open(record, encoding="utf-8") as file:
        failures, seen = check_record(specification, file)
    lines = ["%s: %s (%d times)" % (*key, count) for key, count in sorted(failures.items())]
    lines += check_catalogue(specification, catalogue)
    with open(constraints_path, "rb") as file:
        lines += check_constraints(specification, catalogue, tomllib.load(file))
    offered = {(*key.split(" "), action) for key, actions in catalogue["actions"].items() for action in actions}
    lines += ["no accepted exchange of %s %s %s was recorded" % missing for missing in sorted(offered - seen)]
    print("\n".join(lines) or "%d actions agree with the specification" % len(seen))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
