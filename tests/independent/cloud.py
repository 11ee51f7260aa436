"""A second cloud, written apart from the demo: the little of API 3.0 that a diagnosis cannot do without.

Where the world file has nodes, it knows Cloud Automated Testing, too: each is a network namespace.
It knows `DescribeInstances`, `DescribeSecurityGroupPolicies`, how rules are added and removed, how an
instance is started, and what the world file says of other actions; everything else is
`InvalidAction`. Requests are checked as the vendor's manual says
(TC3-HMAC-SHA256, time stamp within five minutes). Standard library only.

usage: cloud.py WORLD.json      prints {"endpoint": "http://127.0.0.1:PORT"}, serves until stdin closes
"""

import hashlib
import hmac
import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FIELDS = {
    "instance-id": lambda i: [i.get("InstanceId")],
    "instance-name": lambda i: [i.get("InstanceName")],
    "instance-state": lambda i: [i.get("InstanceState")],
    "private-ip-address": lambda i: i.get("PrivateIpAddresses") or [],
    "public-ip-address": lambda i: i.get("PublicIpAddresses") or [],
    "ipv6-address": lambda i: i.get("IPv6Addresses") or [],
    "security-group-id": lambda i: i.get("SecurityGroupIds") or [],
    "subnet-id": lambda i: [(i.get("VirtualPrivateCloud") or {}).get("SubnetId")],
}


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def keyed(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def check_signature(world, headers, body):
    """Section 1.1 of the manual's description of signature v3."""
    scheme, _, rest = headers.get("Authorization", "").partition(" ")
    parts = dict(part.strip().split("=", 1) for part in rest.split(",") if "=" in part)
    if scheme != "TC3-HMAC-SHA256" or {"Credential", "SignedHeaders", "Signature"} - parts.keys():
        raise Refused("AuthFailure.InvalidAuthorization", "no TC3 authorization")
    secret_id, date, service, _ = parts["Credential"].split("/")
    stamp = headers.get("X-TC-Timestamp", "")
    if secret_id != world["secret_id"]:
        raise Refused("AuthFailure.SecretIdNotFound", "this id is not known")
    if abs(time.time() - int(stamp)) > 300:
        raise Refused("AuthFailure.SignatureExpire", "the time stamp is too old")
    names = parts["SignedHeaders"].split(";")
    lines = "".join(f"{name}:{headers.get(name, '').strip().lower()}\n" for name in names)
    canonical = "\n".join(["POST", "/", "", lines, ";".join(names), hashlib.sha256(body).hexdigest()])
    scope = f"{date}/{service}/tc3_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = "\n".join(["TC3-HMAC-SHA256", stamp, scope, digest])
    key = keyed(("TC3" + world["secret_key"]).encode(), date)
    key = keyed(keyed(key, service), "tc3_request")
    wanted = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted, parts["Signature"]):
        raise Refused("AuthFailure.SignatureFailure", "the signature does not fit")
    return service


def describe_instances(world, region, asked):
    found = world["instances"].get(region, [])
    filters = asked.get("Filters") or []
    mode = world.get("filters", "applied")
    if filters and mode == "refused":
        raise Refused("InvalidFilter", "filters are not supported")
    if filters and mode == "applied":
        for wanted in filters:
            field = FIELDS.get(wanted["Name"])
            if field is None:
                raise Refused("InvalidFilter", f"filter {wanted['Name']} is not supported")
            found = [i for i in found if set(map(str, field(i))) & set(wanted["Values"])]
    if asked.get("InstanceIds"):
        found = [i for i in found if i.get("InstanceId") in asked["InstanceIds"]]
    first = int(asked.get("Offset") or 0)
    count = int(asked.get("Limit") or 20)
    return {"TotalCount": len(found), "InstanceSet": found[first:first + count]}


def describe_policies(world, region, asked):
    rules = world.get("groups", {}).get(asked.get("SecurityGroupId"))
    if rules is None:
        raise Refused("ResourceNotFound", "there is no such group")
    return {"SecurityGroupPolicySet": rules}


def group_to_change(world, asked):
    rules = world.get("groups", {}).get(asked.get("SecurityGroupId"))
    if rules is None:
        raise Refused("ResourceNotFound", "there is no such group")
    version = asked["SecurityGroupPolicySet"].get("Version")
    if version is not None and version != rules["Version"]:
        raise Refused("UnsupportedOperation.VersionMismatch", "the rules have changed")
    return rules


def changed(rules, ingress):
    rules["Version"] = str(int(rules["Version"]) + 1)
    rules["Ingress"] = [{**rule, "PolicyIndex": index} for index, rule in enumerate(ingress)]
    return {}


def create_policies(world, region, asked):
    """New rules go to the place that the first of them names."""
    with LOCK:
        rules = group_to_change(world, asked)
        new = asked["SecurityGroupPolicySet"]["Ingress"]
        place = new[0].get("PolicyIndex", len(rules["Ingress"]))
        return changed(rules, rules["Ingress"][:place] + new + rules["Ingress"][place:])


def delete_policies(world, region, asked):
    """By index, or by content where no index is named."""
    with LOCK:
        rules = group_to_change(world, asked)
        left = list(rules["Ingress"])
        for wanted in asked["SecurityGroupPolicySet"]["Ingress"]:
            same = [r for r in left if all(r.get(key) == value for key, value in wanted.items())]
            if not same:
                raise Refused("ResourceNotFound", "there is no such rule")
            left.remove(same[0])
        return changed(rules, left)


def start_instances(world, region, asked):
    for instance in world["instances"][region]:
        if instance["InstanceId"] in asked["InstanceIds"]:
            instance["InstanceState"] = "RUNNING"
    return {}


CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3).close()"


def connects(node, target):
    """A node is a network namespace: it opens a real connection from there."""
    host, _, port = target.rpartition(":")
    words = ["ip", "netns", "exec", node["namespace"], sys.executable, "-c", CONNECT, host, port]
    began = time.monotonic()
    ended = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if ended.returncode:
        return {"ErrorId": 601, "ConnectionTime": 0}
    return {"ErrorId": 0, "ConnectionTime": (time.monotonic() - began) * 1000}


def describe_nodes(world, region, asked):
    shown = ("Code", "Name", "Type", "NetService", "District", "City", "IPType", "Location", "CodeType")
    more = {"TaskTypes": [4]} if "TaskType" in asked else {"NodeDefineStatus": 1}
    trial = asked.get("PayMode") == 1
    nodes = [] if trial else world.get("nodes", [])
    return {"NodeSet": [{**{name: node.get(name) for name in shown}, **more} for node in nodes]}


def create_tasks(world, region, asked):
    """Only timed port tasks over TCP; the first round begins at once."""
    [wanted] = asked["BatchTasks"]
    if (asked["TaskType"], asked.get("ProbeType", 0), asked["TaskCategory"]) != (4, 0, 1):
        raise Refused("InvalidParameterValue", "no such task")
    if json.loads(asked["Parameters"])["protocolType"] != 0:
        raise Refused("InvalidParameterValue", "not over TCP")
    nodes = [node for node in world["nodes"] if node["Code"] in asked["Nodes"]]
    if len(nodes) != len(asked["Nodes"]):
        raise Refused("InvalidParameterValue", "no such node")
    task = {"TaskId": f"task-{len(TASKS) + 1}", "Name": wanted["Name"], "rows": [], "there": True}

    def look(node):
        fields = connects(node, wanted["TargetAddress"])
        labels = {"Operator": node["NetService"], "District": node["District"], "City": node["City"], "TargetAddress": wanted["TargetAddress"]}
        task["rows"].append((int(time.time() * 1000), labels, fields))

    TASKS.append(task)
    for node in nodes:
        threading.Thread(target=look, args=(node,), daemon=True).start()
    return {"TaskIDs": [task["TaskId"]]}


def describe_tasks(world, region, asked):
    found = [t for t in TASKS if t["there"] and asked["TaskName"] in t["Name"]]
    rows = [{"TaskId": t["TaskId"], "Name": t["Name"], "TaskType": 4, "Status": 2, "PayMode": 2, "OrderState": 1} for t in found]
    return {"TaskSet": rows or None, "Total": len(rows)}


def describe_results(world, region, asked):
    listed = lambda pairs: [{"ID": 0, "Name": name, "Value": value} for name, value in pairs.items() if name in asked["SelectedFields"]]
    rows = [
        {"ProbeTime": at, "Labels": listed(labels), "Fields": listed(fields)}
        for task in TASKS
        for at, labels, fields in list(task["rows"])
        if task["TaskId"] in asked["TaskID"] and asked["BeginTime"] <= at <= asked["EndTime"]
    ]
    return {"DataSet": rows, "TotalNumber": len(rows)}


def delete_tasks(world, region, asked):
    done = [t for t in TASKS if t["there"] and t["TaskId"] in asked["TaskIds"]]
    for task in done:
        task["there"] = False
    results = [{"TaskId": t["TaskId"], "Success": True, "ErrorMessage": ""} for t in done]
    return {"Total": len(asked["TaskIds"]), "SuccessCount": len(done), "Results": results}


LOCK = threading.Lock()
TASKS = []

ACTIONS = {
    "DescribeInstances": describe_instances,
    "DescribeSecurityGroupPolicies": describe_policies,
    "CreateSecurityGroupPolicies": create_policies,
    "DeleteSecurityGroupPolicies": delete_policies,
    "StartInstances": start_instances,
}
# Cloud Automated Testing, which takes no region.
PROBING = {
    "DescribeNodes": describe_nodes,
    "DescribeProbeNodes": describe_nodes,
    "CreateProbeTasks": create_tasks,
    "DescribeProbeTasks": describe_tasks,
    "DescribeDetailedSingleProbeData": describe_results,
    "DeleteProbeTask": delete_tasks,
}


def answer(world, headers, body):
    check_signature(world, headers, body)
    # Another module that answers in its own way.
    if "answer" in world:
        return world["answer"](headers, body)
    action = headers.get("X-TC-Action", "")
    region = headers.get("X-TC-Region", "")
    time.sleep(world.get("slow", {}).get(action, world.get("latency", 0)))
    if action in world.get("refuse", {}):
        raise Refused(world["refuse"][action], f"{action} is refused here")
    # What a machine does when it is told to: whoever watches the file does it.
    # A command that only looks is none of it.
    looks = json.loads(body or b"{}").get("CommandName") == world.get("looks_by", "")
    if action in world.get("touch", {}) and not looks:
        open(world["touch"][action], "w", encoding="utf-8").close()
    if action in world.get("answers", {}):
        return world["answers"][action]
    if action in PROBING and "nodes" in world:
        return PROBING[action](world, region, json.loads(body or b"{}"))
    if action not in ACTIONS:
        raise Refused(world.get("missing", "InvalidAction"), f"{action} does not exist here")
    if region not in world["instances"]:
        raise Refused("UnsupportedRegion", f"there is no region {region}")
    return ACTIONS[action](world, region, json.loads(body or b"{}"))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        world = self.server.world
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, text = 200, None
        try:
            given = answer(world, self.headers, body)
        except Refused as refusal:
            given = {"Error": {"Code": refusal.code, "Message": str(refusal)}}
            if refusal.code.startswith("HTTP "):
                status, text = int(refusal.code[5:]), b"<html>not here</html>"
        if text is None:
            text = json.dumps({"Response": {**given, "RequestId": "r-1"}}).encode()
        with self.server.lock:
            self.server.seen.append(self.headers.get("X-TC-Action", ""))
        try:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_):
        pass


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        world = json.load(file)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.world, server.seen, server.lock = world, [], threading.Lock()
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"endpoint": f"http://127.0.0.1:{server.server_port}"}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
