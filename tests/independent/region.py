"""API 3.0 of a region with one real machine, as the vendor's specification names calls and fields.

Written apart from the demo. What a call changes is changed for real: the machine stops and boots,
rules, routes, addresses and their caps become rules of nft in the router, commands run in the
machine. Requests are checked by `cloud.py`. Must not live here: namespaces (`world.py`).
"""

import base64
import copy
import json
import subprocess
import threading
import time
import uuid
from http.server import ThreadingHTTPServer

import cloud
from cloud import Refused

REGION, ID, PRIVATE = "ap-seoul", "ins-aaaa1111", "10.0.0.10"
# Most of `TaskResult.Output`, which is base64.
KEPT = 24 * 1024
STAMP = "%Y-%m-%dT%H:%M:%SZ"


def now():
    return time.strftime(STAMP, time.gmtime())


def merged(old, patch):
    """JSON merge patch (RFC 7396)."""
    if not isinstance(patch, dict) or not isinstance(old, dict):
        return copy.deepcopy(patch)
    found = dict(old)
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


def policy(action, protocol, port, source, **more):
    return {"Action": action, "Protocol": protocol, "Port": port, "CidrBlock": source, "Ipv6CidrBlock": "", "SecurityGroupId": "",
            "PolicyDescription": "", "ModifyTime": "2026-01-05 10:00:00", **more}


def entry(number, action, protocol, port, source):
    ports = {} if protocol in ("ALL", "ICMP") else {"Port": port}
    return {"Priority": number, "Action": action, "Protocol": protocol, **ports, "CidrBlock": source, "Description": "", "ModifyTime": "2026-01-05 10:00:00",
            "NetworkAclIpv4EntryId": f"acle-{uuid.uuid4().hex[:8]}"}


def healthy():
    """What the account holds before anything is wrong."""
    return {
        "account": "STANDARD",
        "agent": "Online",
        "instance": {
            "InstanceId": ID, "InstanceName": "web", "InstanceState": "RUNNING", "OsName": "Debian 12.8 64bit", "RestrictState": "NORMAL",
            "PrivateIpAddresses": [PRIVATE], "SecurityGroupIds": ["sg-aaaa1111"], "Placement": {"Zone": "ap-seoul-1", "ProjectId": 0},
            "VirtualPrivateCloud": {"VpcId": "vpc-aaaa1111", "SubnetId": "subnet-aaaa1111", "AsVpcGateway": False},
            "InternetAccessible": {"InternetChargeType": "TRAFFIC_POSTPAID_BY_HOUR", "InternetMaxBandwidthOut": 5, "PublicIpAssigned": True},
            "InstanceChargeType": "POSTPAID_BY_HOUR", "StopChargingMode": "KEEP_CHARGING", "IsolatedSource": "NOTISOLATED", "CPU": 2, "Memory": 2,
            "InstanceType": "S5.MEDIUM2", "DefaultLoginUser": "root", "DefaultLoginPort": 22, "LoginSettings": {}, "CreatedTime": "2026-01-05T10:00:00Z",
            "SystemDisk": {"DiskType": "CLOUD_PREMIUM", "DiskId": "disk-aaaa1111", "DiskSize": 50}, "DataDisks": [],
            "LatestOperation": "RunInstances", "LatestOperationState": "SUCCESS", "LatestOperationRequestId": "r-0",
        },
        "addresses": [{
            "AddressId": "eip-aaaa1111", "AddressName": "web", "AddressStatus": "BIND", "AddressIp": "198.51.100.10", "InstanceId": ID, "InstanceType": "CVM",
            "PrivateAddressIp": PRIVATE, "NetworkInterfaceId": "eni-aaaa1111", "IsArrears": False, "IsBlocked": False, "AddressType": "EIP", "Bandwidth": 5,
            "InternetChargeType": "TRAFFIC_POSTPAID_BY_HOUR", "CascadeRelease": False, "CreatedTime": "2026-01-05T10:00:00Z",
        }],
        "blocked": {}, "quota": 3, "attack": False,
        "groups": {"sg-aaaa1111": {"Version": "1", "Ingress": [policy("ACCEPT", "TCP", "22", "0.0.0.0/0"), policy("ACCEPT", "ICMP", "ALL", "0.0.0.0/0")],
                                   "Egress": [policy("ACCEPT", "ALL", "ALL", "0.0.0.0/0")]}},
        # No ACL is bound to the subnet.
        "acl": None,
        "routes": [{"RouteId": 11, "RouteItemId": "rti-office11", "DestinationCidrBlock": "192.168.7.0/24", "GatewayType": "VPN", "GatewayId": "vpngw-aaaa1111",
                    "Enabled": True, "RouteType": "USER", "RouteTableId": "rtb-aaaa1111", "RouteDescription": "office"}],
        "metrics": {},
        "events": [],
        "tasks": [],
        "sluggish": 0,
    }


class Region:
    def __init__(self, machine):
        self.machine, self.world, self.lock, self.calls = machine, healthy(), threading.RLock(), []
        self.runs, self.passwords = {}, {}

    def serve(self, address):
        server = ThreadingHTTPServer((address, 0), cloud.Handler)
        server.world = {"secret_id": "AKIDindependent", "secret_key": "independent-key", "instances": {}, "answer": self.answer}
        server.seen, server.lock, server.daemon_threads = [], threading.Lock(), True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server.server_port

    def answer(self, headers, body):
        action = headers.get("X-TC-Action", "")
        asked = json.loads(body or b"{}")
        if not action.startswith(("Describe", "Get", "Inquiry")):
            self.calls.append(action)
        do = getattr(self, action, None)
        if do is None or not action[:1].isupper():
            raise Refused("InvalidAction", f"{action} does not exist here")
        with self.lock:
            return do(asked, headers.get("X-TC-Version", ""))

    def patch(self, patch):
        with self.lock:
            state = self.world["instance"]["InstanceState"]
            self.world = merged(self.world, patch)
            if self.world.get("dead") or (self.world["instance"]["InstanceState"] != "RUNNING" and state == "RUNNING"):
                self.machine.halt()
            self.apply()

    def shown(self):
        with self.lock:
            rules = {name: {way: [{k: v for k, v in rule.items() if k not in ("PolicyIndex", "ModifyTime")} for rule in group[way]] for way in ("Ingress", "Egress")}
                     for name, group in self.world["groups"].items()}
            acl = copy.deepcopy(self.world["acl"])
            if acl:
                for way in ("Ingress", "Egress"):
                    for row in acl[way]:
                        # An entry that is put back is a new one to the cloud.
                        for name in ("ModifyTime", self.TRIPLE, self.QUINTUPLE):
                            row.pop(name, None)
            return {"groups": rules, "acl": acl, "routes": self.world["routes"], "addresses": self.world["addresses"],
                    "state": self.world["instance"]["InstanceState"], "cap": self.world["instance"]["InternetAccessible"]}

    def bound(self):
        return next((a for a in self.world["addresses"] if a["AddressStatus"] == "BIND"), None)

    def address(self):
        found = self.bound()
        return found["AddressIp"] if found else ""

    # What the router does.

    def cap(self):
        found = self.bound()
        if found is None:
            return 0
        return self.world["instance"]["InternetAccessible"]["InternetMaxBandwidthOut"] if self.world["account"] == "LEGACY" else found["Bandwidth"]

    def apply(self):
        found = self.bound()
        open_ = found and self.cap() > 0 and not found["IsBlocked"] and not found["IsArrears"]
        lines = ["table ip cloud", "delete table ip cloud", "table ip cloud {"]
        lines += ["chain pre { type nat hook prerouting priority -100;"]
        if found:
            lines.append(f'ip daddr {found["AddressIp"]} dnat to {PRIVATE}')
        lines += ["}"]
        for name in self.world["instance"]["SecurityGroupIds"]:
            group = self.world["groups"][name]
            for way, field in (("Ingress", "saddr"), ("Egress", "daddr")):
                lines += [f"chain {name}-{way} {{".replace("sg-", "g")]
                lines += [rule(row, field) for row in group[way]] + ["}"]
        acl = self.world["acl"]
        if acl:
            for way, field in (("Ingress", "saddr"), ("Egress", "daddr")):
                rows = sorted(acl[way], key=lambda row: row["Priority"])
                lines += [f"chain acl-{way} {{"] + [entry_rule(row, field, acl["NetworkAclType"]) for row in rows] + ["drop", "}"]
        lines += ["chain forward { type filter hook forward priority 0;"]
        # A private address is reached from the internet by its public one only.
        lines += ['iifname "c0" oifname "r0" ct status ! dnat drop']
        if not open_:
            lines += ["ct status dnat drop"]
        for way in self.world["routes"]:
            if not way["Enabled"]:
                lines += [f'iifname "r0" ip daddr {way["DestinationCidrBlock"]} drop']
        # Traffic that fills the cap: most of what comes on top is lost.
        if found and self.world.get("traffic", 0) >= self.cap() > 0:
            lines += ['ct status dnat numgen random mod 10 < 8 drop']
        # A link on the way that takes less and does not say so.
        if self.world.get("narrow"):
            lines += [f'meta length > {self.world["narrow"]} drop']
        lines += ['oifname "j0" ip daddr != 10.0.1.0/24 drop']
        lines += ['oifname "r0" jump inward', 'iifname "r0" jump outward', "}"]
        groups = [name.replace("sg-", "g") for name in self.world["instance"]["SecurityGroupIds"]]
        for chain, way in (("inward", "Ingress"), ("outward", "Egress")):
            lines += [f"chain {chain} {{"] + ([f"jump acl-{way}"] if acl else []) + ["ct state established,related return"]
            lines += [f"jump judge-{way}", "}"]
            # A group's rule ends the walk through all groups: accepted packets carry a mark.
            lines += [f"chain judge-{way} {{", "meta mark set 0"] + [f"jump {name}-{way}\nmeta mark 1 return" for name in groups] + ["drop", "}"]
        lines += ["}"]
        done = subprocess.run(["nft", "-f", "-"], input="\n".join(lines), text=True, capture_output=True)
        if done.returncode:
            raise RuntimeError(done.stderr + "\n".join(lines))

    # cvm

    def DescribeInstances(self, asked, _):
        instance = copy.deepcopy(self.world["instance"])
        address = self.address()
        instance["PublicIpAddresses"] = [address] if address else None
        instance["InternetAccessible"]["InternetMaxBandwidthOut"] = self.cap() if address else instance["InternetAccessible"]["InternetMaxBandwidthOut"]
        return cloud.describe_instances({"instances": {REGION: [instance]}}, REGION, asked)

    def DescribeInstancesStatus(self, asked, _):
        return {"TotalCount": 1, "InstanceStatusSet": [{"InstanceId": ID, "InstanceState": self.world["instance"]["InstanceState"]}]}

    def DescribeRegions(self, *_):
        return {"TotalCount": 1, "RegionSet": [{"Region": REGION, "RegionName": "Seoul", "RegionState": "AVAILABLE"}]}

    def GetCallerIdentity(self, *_):
        return {"AccountId": "100000000001", "Arn": "qcs::cam::uin/100000000001:root", "Type": "CAMUser", "UserId": "100000000001", "PrincipalId": "100000000001"}

    def operate(self, name, needed, during, work, after):
        """An operation of the instance that goes on behind the answer."""
        instance = self.world["instance"]
        if instance["InstanceState"] != needed:
            raise Refused("UnsupportedOperation.InstanceState" + instance["InstanceState"].title().replace("_", ""), f"{name} is not possible in this state")
        if instance["LatestOperationState"] == "OPERATING":
            raise Refused("UnsupportedOperation.InstanceMixResetInstanceAndColdMigrate", "another operation is under way")
        instance.update(InstanceState=during, LatestOperation=name, LatestOperationState="OPERATING", LatestOperationRequestId="r-1")

        def go():
            try:
                work()
                end, state = "SUCCESS", after
            except Exception:
                end, state = "FAILED", needed
            with self.lock:
                self.world["instance"].update(InstanceState=state, LatestOperationState=end)

        threading.Thread(target=go, daemon=True).start()
        return {}

    def only(self, asked):
        if asked.get("InstanceIds") != [ID]:
            raise Refused("InvalidInstanceId.NotFound", "there is no such instance")

    def boot(self):
        if any(task["TaskStatus"] == 1 for task in self.world["tasks"]):
            raise RuntimeError("the host is broken")
        self.machine.boot()
        with self.lock:
            # A boot heals what only the running system had.
            self.world["metrics"] = {}
            if self.world["agent"] == "Hung":
                self.world["agent"] = "Online"
            self.apply()

    def StartInstances(self, asked, _):
        self.only(asked)
        return self.operate("StartInstances", "STOPPED", "STARTING", self.boot, "RUNNING")

    def StopInstances(self, asked, _):
        self.only(asked)
        return self.operate("StopInstances", "RUNNING", "STOPPING", lambda: self.shut(asked), "STOPPED")

    def RebootInstances(self, asked, _):
        self.only(asked)

        def work():
            self.shut(asked)
            self.boot()

        return self.operate("RebootInstances", "RUNNING", "REBOOTING", work, "RUNNING")

    def shut(self, asked):
        """A system that hangs does not shut itself down: only the power goes through."""
        hard = asked.get("StopType") in ("HARD", "SOFT_FIRST") or asked.get("ForceStop") or asked.get("ForceReboot")
        if self.world.get("deaf") and not hard:
            time.sleep(2)
            raise TimeoutError("the system did not shut down in time")
        self.machine.halt()
        self.world.pop("deaf", None)

    def EnterRescueMode(self, asked, _):
        return self.operate("EnterRescueMode", self.world["instance"]["InstanceState"], "ENTER_RESCUE_MODE", lambda: self.shut(asked), "RESCUE_MODE")

    def ExitRescueMode(self, asked, _):
        if asked.get("InstanceId") != ID:
            raise Refused("InvalidInstanceId.NotFound", "there is no such instance")
        return self.operate("ExitRescueMode", "RESCUE_MODE", "EXIT_RESCUE_MODE", lambda: None, "STOPPED")

    def ResetInstancesPassword(self, asked, _):
        self.only(asked)
        if not asked.get("ForceStop") and self.world["instance"]["InstanceState"] == "RUNNING":
            raise Refused("UnsupportedOperation.InstanceStateRunning", "the instance has to be stopped")
        user, password = asked.get("UserName") or "root", asked["Password"]

        def work():
            self.machine.halt()
            self.boot()
            self.machine.run(f"chpasswd <<'END'\n{user}:{password}\nEND\n".encode(), 10)
            self.passwords[user] = password

        return self.operate("ResetInstancesPassword", self.world["instance"]["InstanceState"], "STOPPING", work, "RUNNING")

    def ResetInstancesInternetMaxBandwidth(self, asked, _):
        self.only(asked)
        if self.world["account"] == "STANDARD":
            raise Refused("UnsupportedOperation.BandwidthPackageIdNotSupported", "the cap of this account is the address's")
        self.world["instance"]["InternetAccessible"].update(asked["InternetAccessible"])
        self.world["instance"].update(LatestOperation="ResetInstancesInternetMaxBandwidth", LatestOperationState="SUCCESS")
        self.apply()
        return {}

    def InquiryPriceResetInstancesInternetMaxBandwidth(self, *_):
        return {"Price": {"BandwidthPrice": {"UnitPrice": 0.8, "UnitPriceDiscount": 0.8, "ChargeUnit": "GB"}}}

    def InquiryPriceModifyAddressesBandwidth(self, *_):
        return {"Price": {"AddressPrice": {"UnitPrice": 0.8, "DiscountPrice": 0.8, "ChargeUnit": "HOUR"}}}

    InquiryPriceAllocateAddresses = InquiryPriceModifyAddressesBandwidth

    def RepairTaskControl(self, asked, _):
        """An authorised repair moves the instance to another host and starts it there."""
        task = next((task for task in self.world["tasks"] if task["TaskId"] == asked["TaskId"] and asked["InstanceIds"] == [ID]), None)
        if task is None or task["TaskStatus"] != 1 or asked["Operate"] != "AuthorizeRepair":
            raise Refused("UnsupportedOperation", "there is nothing to authorise")
        task.update(TaskStatus=2, OperateStatus=2, AuthTime=time.strftime("%Y-%m-%d %H:%M:%S"))

        def work():
            self.machine.halt()
            self.boot()
            task.update(TaskStatus=3, DeviceStatus=3, OperateStatus=3, EndTime=time.strftime("%Y-%m-%d %H:%M:%S"))

        threading.Thread(target=work, daemon=True).start()
        return {"TaskId": task["TaskId"]}

    def DescribeTaskInfo(self, *_):
        return {"TotalCount": len(self.world["tasks"]), "RepairTaskInfoSet": self.world["tasks"]}

    # vpc

    def DescribeSecurityGroups(self, asked, _):
        names = [name for name in self.world["groups"] if name in (asked.get("SecurityGroupIds") or self.world["groups"])]
        return {"TotalCount": len(names), "SecurityGroupSet": [
            {"SecurityGroupId": name, "SecurityGroupName": name, "SecurityGroupDesc": "", "ProjectId": "0", "IsDefault": False, "CreatedTime": "2026-01-05 10:00:00"} for name in names]}

    def DescribeSecurityGroupAssociationStatistics(self, asked, _):
        return {"SecurityGroupAssociationStatisticsSet": [
            {"SecurityGroupId": name, "CVM": 1, "CDB": 0, "ENI": 0, "SG": 0, "CLB": 0, "InstanceStatistics": [{"InstanceType": "CVM", "InstanceCount": 1}], "TotalCount": 1}
            for name in asked["SecurityGroupIds"]]}

    def DescribeSecurityGroupPolicies(self, asked, _):
        group = copy.deepcopy(self.group(asked))
        for way in ("Ingress", "Egress"):
            for index, row in enumerate(group[way]):
                row["PolicyIndex"] = index
        return {"SecurityGroupPolicySet": group}

    def group(self, asked):
        if asked.get("SecurityGroupId") not in self.world["groups"]:
            raise Refused("ResourceNotFound", "there is no such group")
        return self.world["groups"][asked["SecurityGroupId"]]

    def group_to_change(self, asked):
        group, given = self.group(asked), asked["SecurityGroupPolicySet"]
        if given.get("Version") not in (None, group["Version"]):
            raise Refused("UnsupportedOperation.VersionMismatch", "the rules have changed")
        ways = [way for way in ("Ingress", "Egress") if given.get(way)]
        if len(ways) != 1:
            raise Refused("InvalidParameter.Coexist", "rules of one direction only")
        group["Version"] = str(int(group["Version"]) + 1)
        return group[ways[0]], given[ways[0]]

    def CreateSecurityGroupPolicies(self, asked, _):
        rows, new = self.group_to_change(asked)
        place = new[0].get("PolicyIndex", 0)
        for offset, row in enumerate(new):
            row = {key: value for key, value in row.items() if key != "PolicyIndex"}
            rows.insert(place + offset, {**policy("", "", "", ""), **row, "ModifyTime": time.strftime("%Y-%m-%d %H:%M:%S")})
        self.apply()
        return {}

    def DeleteSecurityGroupPolicies(self, asked, _):
        rows, gone = self.group_to_change(asked)
        for wanted in gone:
            index = wanted.get("PolicyIndex")
            wanted = {key: value for key, value in wanted.items() if key != "PolicyIndex"}
            same = [i for i, row in enumerate(rows) if all(str(row.get(k, "")).lower() == str(v).lower() for k, v in wanted.items()) and index in (None, i)]
            if not same:
                raise Refused("ResourceNotFound", "there is no such rule")
            rows.pop(same[0])
        self.apply()
        return {}

    def DescribeSubnets(self, *_):
        return {"TotalCount": 1, "SubnetSet": [{"VpcId": "vpc-aaaa1111", "SubnetId": "subnet-aaaa1111", "SubnetName": "a", "CidrBlock": "10.0.0.0/24", "Zone": "ap-seoul-1",
                                                "RouteTableId": "rtb-aaaa1111", "NetworkAclId": self.world["acl"]["NetworkAclId"] if self.world["acl"] else ""}]}

    def DescribeVpcs(self, *_):
        return {"TotalCount": 1, "VpcSet": [{"VpcId": "vpc-aaaa1111", "VpcName": "v", "CidrBlock": "10.0.0.0/16", "AssistantCidrSet": []}]}

    def DescribeNetworkAcls(self, *_):
        acl = self.world["acl"]
        if not acl:
            return {"TotalCount": 0, "NetworkAclSet": []}
        triple = acl["NetworkAclType"] == "TRIPLE"
        row = {"VpcId": "vpc-aaaa1111", "NetworkAclId": acl["NetworkAclId"], "NetworkAclName": "a", "NetworkAclType": acl["NetworkAclType"], "CreatedTime": "2026-01-05 10:00:00",
               "SubnetSet": self.DescribeSubnets()["SubnetSet"], "IngressEntries": acl["Ingress"] if triple else [], "EgressEntries": acl["Egress"] if triple else []}
        return {"TotalCount": 1, "NetworkAclSet": [copy.deepcopy(row)]}

    def acl(self, asked, kind):
        acl = self.world["acl"]
        if not acl or asked.get("NetworkAclId") != acl["NetworkAclId"]:
            raise Refused("ResourceNotFound", "there is no such ACL")
        if acl["NetworkAclType"] != kind:
            raise Refused("UnsupportedOperation.ActionNotFound", f"this ACL is {acl['NetworkAclType']}")
        return acl

    def DescribeNetworkAclQuintupleEntries(self, asked, _):
        acl = self.acl(asked, "QUINTUPLE")
        rows = [{**row, "NetworkAclDirection": way.upper()} for way in ("Ingress", "Egress") for row in sorted(acl[way], key=lambda row: row["Priority"])]
        first = int(asked.get("Offset") or 0)
        return {"TotalCount": len(rows), "NetworkAclQuintupleSet": rows[first:first + int(asked.get("Limit") or 20)]}

    def put(self, acl, given, key):
        """New entries take the place that they name; those at and below it move down."""
        for way in ("Ingress", "Egress"):
            for new in given.get(way) or []:
                place = new.get("Priority") or len(acl[way]) + 1
                for row in acl[way]:
                    if row["Priority"] >= place:
                        row["Priority"] += 1
                acl[way].append({"Description": "", **new, "Priority": place, key: f"acle-{uuid.uuid4().hex[:8]}"})
                acl[way].sort(key=lambda row: row["Priority"])
        self.apply()
        return {}

    def take(self, acl, given, key):
        for way in ("Ingress", "Egress"):
            for gone in given.get(way) or []:
                same = [row for row in acl[way] if (gone.get(key) and row[key] == gone[key])
                        or (not gone.get(key) and all(row.get(k) == v for k, v in gone.items()))]
                if not same:
                    raise Refused("ResourceNotFound", "there is no such entry")
                acl[way].remove(same[0])
                for row in acl[way]:
                    if row["Priority"] > same[0]["Priority"]:
                        row["Priority"] -= 1
        self.apply()
        return {}

    TRIPLE, QUINTUPLE = "NetworkAclIpv4EntryId", "NetworkAclQuintupleEntryId"

    def CreateNetworkAclEntries(self, asked, _):
        return self.put(self.acl(asked, "TRIPLE"), asked["NetworkAclEntrySet"], self.TRIPLE)

    def DeleteNetworkAclEntries(self, asked, _):
        return self.take(self.acl(asked, "TRIPLE"), asked["NetworkAclEntrySet"], self.TRIPLE)

    def CreateNetworkAclQuintupleEntries(self, asked, _):
        return self.put(self.acl(asked, "QUINTUPLE"), asked["NetworkAclQuintupleSet"], self.QUINTUPLE)

    def DeleteNetworkAclQuintupleEntries(self, asked, _):
        return self.take(self.acl(asked, "QUINTUPLE"), asked["NetworkAclQuintupleSet"], self.QUINTUPLE)

    def ModifyNetworkAclEntries(self, asked, _):
        """Replaces each direction that is given, or with `EnableUpdateAclEntries` the entries that are named."""
        acl = self.acl(asked, "TRIPLE" if asked.get("NetworkAclEntrySet") else "QUINTUPLE")
        given = asked.get("NetworkAclEntrySet") or asked["NetworkAclQuintupleSet"]
        key = self.TRIPLE if asked.get("NetworkAclEntrySet") else self.QUINTUPLE
        for way in ("Ingress", "Egress"):
            if given.get(way) is None:
                continue
            if asked.get("EnableUpdateAclEntries"):
                for new in given[way]:
                    old = next((row for row in acl[way] if row[key] == new.get(key)), None)
                    if old is None:
                        raise Refused("ResourceNotFound", "there is no such entry")
                    old.update(new)
            else:
                acl[way] = [{"Description": "", **{k: v for k, v in row.items() if k != "ModifyTime"}, "Priority": number, key: row.get(key) or f"acle-{uuid.uuid4().hex[:8]}"}
                            for number, row in enumerate(given[way], 1)]
        self.apply()
        return {}

    def DescribeRouteTables(self, *_):
        return {"TotalCount": 1, "RouteTableSet": [{"VpcId": "vpc-aaaa1111", "RouteTableId": "rtb-aaaa1111", "RouteTableName": "a", "Main": True, "CreatedTime": "2026-01-05 10:00:00",
                                                    "AssociationSet": [{"SubnetId": "subnet-aaaa1111", "RouteTableId": "rtb-aaaa1111"}], "RouteSet": copy.deepcopy(self.world["routes"])}]}

    def switch(self, asked, enabled):
        for way in self.world["routes"]:
            if way["RouteId"] in (asked.get("RouteIds") or []) or way["RouteItemId"] in (asked.get("RouteItemIds") or []):
                way["Enabled"] = enabled
                self.apply()
                return {}
        raise Refused("ResourceNotFound", "there is no such route")

    def EnableRoutes(self, asked, _):
        return self.switch(asked, True)

    def DisableRoutes(self, asked, _):
        return self.switch(asked, False)

    def DescribeNetworkAccountType(self, *_):
        return {"NetworkAccountType": self.world["account"]}

    def DescribeAddresses(self, asked, _):
        rows = copy.deepcopy(self.world["addresses"])
        types = []
        for wanted in asked.get("Filters") or []:
            values = wanted["Values"]
            if wanted["Name"] == "instance-id":
                rows = [row for row in rows if row["InstanceId"] in values]
            elif wanted["Name"] == "address-status":
                rows = [row for row in rows if row["AddressStatus"] in values]
            elif wanted["Name"] == "address-ip":
                rows = [row for row in rows if row["AddressIp"] in values]
            elif wanted["Name"] == "address-type":
                types = values
            else:
                raise Refused("InvalidParameterValue", f"filter {wanted['Name']} is not supported")
        # An ordinary address is only listed where it is asked for.
        rows = [row for row in rows if (row["AddressType"] in types if types else row["AddressType"] != "WanIP")]
        if asked.get("AddressIds"):
            rows = [row for row in rows if row["AddressId"] in asked["AddressIds"]]
        return {"TotalCount": len(rows), "AddressSet": rows}

    def one_address(self, name):
        found = next((row for row in self.world["addresses"] if row["AddressId"] == name), None)
        if found is None:
            raise Refused("InvalidAddressId.NotFound", "there is no such address")
        if found["IsBlocked"]:
            raise Refused("InvalidAddressId.Blocked", "the address is blocked")
        return found

    def AllocateAddresses(self, asked, _):
        new = {"AddressId": "eip-bbbb2222", "AddressName": asked.get("AddressName", ""), "AddressStatus": "UNBIND", "AddressIp": "198.51.100.20", "InstanceId": "",
               "PrivateAddressIp": "", "NetworkInterfaceId": "", "IsArrears": False, "IsBlocked": False, "AddressType": "EIP",
               "Bandwidth": asked.get("InternetMaxBandwidthOut", 1), "InternetChargeType": asked.get("InternetChargeType", ""), "CascadeRelease": False, "CreatedTime": now()}
        self.world["addresses"].append(new)
        return {"AddressSet": [new["AddressId"]], "TaskId": "4711"}

    def AssociateAddress(self, asked, _):
        found = self.one_address(asked["AddressId"])
        if found["AddressStatus"] != "UNBIND":
            raise Refused("InvalidAddressIdStatus.NotPermit", "the address is not free")
        if self.bound():
            raise Refused("InvalidInstanceId.AlreadyBindEip", "the instance has an address")
        found.update(AddressStatus="BIND", InstanceId=ID, InstanceType="CVM", PrivateAddressIp=PRIVATE, NetworkInterfaceId="eni-aaaa1111")
        self.apply()
        return {"TaskId": "4711"}

    def DisassociateAddress(self, asked, _):
        found = self.one_address(asked["AddressId"])
        found.update(AddressStatus="UNBIND", InstanceId="", PrivateAddressIp="", NetworkInterfaceId="")
        found.pop("InstanceType", None)
        self.apply()
        return {"TaskId": "4711"}

    def ReleaseAddresses(self, asked, _):
        for name in asked["AddressIds"]:
            found = self.one_address(name)
            if found["AddressStatus"] != "UNBIND":
                raise Refused("InvalidAddressIdStatus.NotPermit", "the address is bound")
            self.world["addresses"].remove(found)
        return {"TaskId": "4711"}

    def ModifyAddressesBandwidth(self, asked, _):
        for name in asked["AddressIds"]:
            self.one_address(name)["Bandwidth"] = asked["InternetMaxBandwidthOut"]
        self.apply()
        return {"TaskId": "4711"}

    def DescribeTaskResult(self, asked, _):
        return {"TaskId": asked.get("TaskId"), "Result": "SUCCESS"}

    def DescribeNetworkInterfaces(self, *_):
        return {"TotalCount": 1, "NetworkInterfaceSet": [{"NetworkInterfaceId": "eni-aaaa1111"}]}

    # antiddos

    def DescribeDDoSBlockRecords(self, asked, version):
        if version != "2025-09-03":
            raise Refused("InvalidAction", "not in this version")
        rows = [{"Resource": ip, "BlockTime": at, "Status": status} for ip, (at, status) in self.world["blocked"].items()]
        quota = {"TotalQuota": 3, "UsedQuota": 3 - self.world["quota"], "QuotaStartTime": now(), "QuotaEndTime": now()}
        return {"TotalCount": len(rows), "BlockRecords": rows, "UnblockQuotaInfo": quota}

    def DescribeIpBlockList(self, *_):
        return {"List": [{"Status": "Blocked", "Ip": ip, "BlockTime": at, "UnBlockTime": at, "ActionType": "auto", "ProtectFlag": 0}
                         for ip, (at, status) in self.world["blocked"].items() if status == "Blocked"]}

    def DescribeBasicDeviceStatus(self, asked, _):
        def status(ip):
            if self.world["blocked"].get(ip, ("", ""))[1] == "Blocked":
                return "1"
            return "3" if self.world["attack"] else "2"
        return {"Data": [{"Key": ip, "Value": status(ip)} for ip in asked.get("IpList") or []], "CLBData": [], "CnameWafData": []}

    def UnblockResources(self, asked, version):
        if version != "2025-09-03":
            raise Refused("InvalidAction", "not in this version")
        if self.world["attack"]:
            raise Refused("FailedOperation", "the attack goes on")
        if self.world["quota"] < len(asked["Resources"]):
            raise Refused("LimitExceeded", "no unblocking is left today")
        for ip in asked["Resources"]:
            if ip not in self.world["blocked"]:
                raise Refused("ResourceNotFound", "the address is not blocked")
            self.world["quota"] -= 1
            self.world["blocked"][ip] = [self.world["blocked"][ip][0], "Unblocked"]
            for row in self.world["addresses"]:
                if row["AddressIp"] == ip:
                    row["IsBlocked"] = False
        self.apply()
        return {}

    # What is only looked at.

    def GetMonitorData(self, asked, _):
        period = asked.get("Period") or 300
        end = int(time.time()) // period * period
        stamps = [end - period * n for n in range(5, 0, -1)]
        usual = {"CpuUsage": 4.0, "BaseCpuUsage": 4.0, "MemUsage": 30.0, "WanOuttraffic": min(self.world.get("traffic", 0.1), self.cap()), "WanIntraffic": 0.1}
        value = self.world["metrics"].get(asked["MetricName"], usual.get(asked["MetricName"]))
        points = [] if value is None else [{"Dimensions": asked["Instances"][0]["Dimensions"], "Timestamps": stamps, "Values": [value] * 5}]
        points = points or [{"Dimensions": asked["Instances"][0]["Dimensions"], "Timestamps": [], "Values": []}]
        return {"Period": period, "MetricName": asked["MetricName"], "DataPoints": points, "StartTime": now(), "EndTime": now(), "Msg": ""}

    def DescribeAccidentEventList(self, *_):
        return {"Alarms": [], "Total": 0}

    def DescribeProductEventList(self, *_):
        rows = [{"EventId": number, "EventName": name, "EventEName": name, "EventCName": name, "ProductName": "cvm", "ProductEName": "CVM", "ProductCName": "CVM",
                 "InstanceId": ID, "InstanceName": "web", "ProjectId": 0, "Region": "kr", "Status": "-", "SupportAlarm": 1, "Type": "abnormal", "StartTime": int(time.time()) - 120,
                 "UpdateTime": int(time.time()) - 120, "Dimensions": [], "AdditionMsg": [], "IsAlarmConfig": 0, "GroupInfo": [], "ViewName": "cvm_device"}
                for number, name in enumerate(self.world["events"], 1)]
        return {"Events": rows, "Total": len(self.world["events"]),
                "OverView": {"StatusChangeAmount": 0, "UnConfigAlarmAmount": 0, "UnNormalEventAmount": 0, "UnRecoverAmount": 0}}

    def DescribeDisks(self, *_):
        return {"TotalCount": 1, "DiskSet": [{"DiskId": "disk-aaaa1111", "DiskState": "ATTACHED", "DiskUsage": "SYSTEM_DISK", "InstanceId": ID, "DiskType": "CLOUD_PREMIUM", "DiskSize": 50}]}

    def DescribeEvents(self, *_):
        return {"ListOver": True, "NextToken": 0, "Events": [], "TotalCount": 0}

    def DescribeAccountBalance(self, *_):
        return {"Uin": 1, "Balance": 100000, "RealBalance": 100000.0, "CashAccountBalance": 100000.0, "OweAmount": 0.0, "IsAllowArrears": False, "IsCreditLimited": False}

    # tat

    def online(self):
        return self.world["agent"] == "Online" and self.world["instance"]["InstanceState"] == "RUNNING" and self.machine.network_is_up()

    def DescribeAutomationAgentStatus(self, *_):
        if self.world["agent"] == "Never":
            return {"TotalCount": 0, "AutomationAgentSet": []}
        online = self.online()
        beat = now() if online else time.strftime(STAMP, time.gmtime(time.time() - 600))
        return {"TotalCount": 1, "AutomationAgentSet": [{"InstanceId": ID, "Version": "1.2.5", "LastHeartbeatTime": beat, "AgentStatus": "Online" if online else "Offline",
                                                         "Environment": "Linux", "SupportFeatures": []}]}

    def RunCommand(self, asked, _):
        self.only(asked)
        if self.world["instance"]["InstanceState"] != "RUNNING":
            raise Refused("ResourceUnavailable.InstanceStateNotRunning", "the instance does not run")
        if self.world["agent"] == "Never":
            raise Refused("ResourceUnavailable.AgentNotInstalled", "there is no agent")
        if not self.online():
            raise Refused("ResourceUnavailable.AgentStatusNotOnline", "the agent is not online")
        if asked.get("CommandType", "SHELL") != "SHELL":
            raise Refused("InvalidParameter.CommandType", "the agent runs SHELL only")
        limit = int(asked.get("Timeout") or 60)
        if not 1 <= limit <= 86400:
            raise Refused("InvalidParameterValue.Range", "Timeout is from 1 to 86400")
        if len(asked["Content"]) > 64 * 1024:
            raise Refused("InvalidParameterValue.TooLong", "the command is too long")
        name = f"inv-{uuid.uuid4().hex[:8]}"
        task = {"InvocationId": name, "InvocationTaskId": f"invt-{uuid.uuid4().hex[:8]}", "CommandId": "cmd-1", "TaskStatus": "PENDING", "InstanceId": ID,
                "TaskResult": {"ExitCode": 0, "Output": "", "ExecStartTime": None, "ExecEndTime": None, "Dropped": 0, "OutputUrl": "", "OutputUploadCOSErrorInfo": ""},
                "StartTime": None, "EndTime": None, "CreatedTime": now(), "UpdatedTime": now(), "ErrorInfo": "", "InvocationSource": "USER",
                "CommandName": asked.get("CommandName", ""),
                "CommandDocument": {"Content": asked["Content"], "CommandType": "SHELL", "Timeout": limit, "WorkingDirectory": asked.get("WorkingDirectory") or "/root",
                                    "Username": asked.get("Username") or "root", "OutputCOSBucketUrl": "", "OutputCOSKeyPrefix": ""}}
        self.runs[name] = task
        threading.Thread(target=self.carry_out, args=(task, base64.b64decode(asked["Content"]), limit), daemon=True).start()
        return {"InvocationId": name, "CommandId": "cmd-1"}

    def carry_out(self, task, script, limit):
        task.update(TaskStatus="RUNNING", StartTime=now())
        task["TaskResult"]["ExecStartTime"] = now()
        try:
            end, output = self.machine.run(script, limit, task["CommandDocument"]["WorkingDirectory"])
        except OSError as error:
            task.update(TaskStatus="START_FAILED", ErrorInfo=str(error), EndTime=now())
            return
        most = KEPT // 4 * 3
        task["TaskResult"].update(Output=base64.b64encode(output[:most]).decode(), Dropped=max(0, len(output) - most), ExitCode=-1 if end is None else end, ExecEndTime=now())
        task.update(EndTime=now(), UpdatedTime=now(), TaskStatus="TIMEOUT" if end is None else "SUCCESS" if end == 0 else "FAILED")

    def DescribeInvocationTasks(self, asked, _):
        rows = list(self.runs.values())
        fields = {"invocation-id": "InvocationId", "invocation-task-id": "InvocationTaskId", "instance-id": "InstanceId", "command-id": "CommandId"}
        for wanted in asked.get("Filters") or []:
            if wanted["Name"] not in fields:
                raise Refused("InvalidFilter", f"filter {wanted['Name']} is not supported")
            rows = [row for row in rows if row[fields[wanted["Name"]]] in wanted["Values"]]
        if asked.get("InvocationTaskIds"):
            rows = [row for row in rows if row["InvocationTaskId"] in asked["InvocationTaskIds"]]
        rows = copy.deepcopy(rows)
        if asked.get("HideOutput", True):
            for row in rows:
                row["TaskResult"]["Output"] = ""
        first = int(asked.get("Offset") or 0)
        return {"TotalCount": len(rows), "InvocationTaskSet": rows[first:first + int(asked.get("Limit") or 20)]}

    def DescribeInvocations(self, asked, _):
        rows = [row for row in self.runs.values() if row["InvocationId"] in (asked.get("InvocationIds") or list(self.runs))]
        return {"TotalCount": len(rows), "InvocationSet": [
            {"InvocationId": row["InvocationId"], "CommandId": row["CommandId"], "CommandName": row["CommandName"], "InvocationStatus": row["TaskStatus"], "CreatedTime": row["CreatedTime"],
             "InvocationTaskBasicInfoSet": [{"InvocationTaskId": row["InvocationTaskId"], "TaskStatus": row["TaskStatus"], "InstanceId": ID}]} for row in rows]}


def ports(text, side="dport"):
    text = (text or "all").lower()
    return "" if text == "all" else f" {side} {{ {text} }}"


def matched(protocol, port, field, network):
    words = [] if network in ("", "0.0.0.0/0", "::/0") else [f"ip {field} {network}"]
    protocol = (protocol or "ALL").lower()
    if protocol in ("tcp", "udp"):
        words.append(f"meta l4proto {protocol}" if not ports(port) else f"{protocol}{ports(port)}")
    elif protocol == "icmp":
        words.append("meta l4proto icmp")
    elif protocol != "all":
        return None
    return " ".join(words)


def rule(row, field):
    """A rule of a security group; one for IPv6, a group or a template matches nothing here."""
    words = matched(row["Protocol"], row["Port"], field, row["CidrBlock"]) if row["CidrBlock"] else None
    if words is None:
        return ""
    return f"{words} meta mark set 1 return" if row["Action"] == "ACCEPT" else f"{words} drop"


def entry_rule(row, field, kind):
    """An entry of a network ACL. A port of three fields is the one at the machine's side inward, and at the
    other side's outward: the first is where the packet goes in either direction."""
    if kind == "TRIPLE":
        words = matched(row["Protocol"], row.get("Port"), field, row["CidrBlock"])
    else:
        words = matched(row["Protocol"], row.get("DestinationPort"), "daddr", row.get("DestinationCidr", ""))
        near = matched("ALL", None, "saddr", row.get("SourceCidr", ""))
        source = ports(row.get("SourcePort"), "sport")
        words = None if words is None else f"{near} {words}" + (f" {row['Protocol'].lower()}{source}" if source else "")
    if words is None:
        return ""
    return f"{words} return" if row["Action"] == "ACCEPT" else f"{words} drop"
