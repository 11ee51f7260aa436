"""The official Python SDK against the demo cloud: lists, pages, filters, reboots, edits rules, is refused."""

import base64
import json
import os
import sys
import time

from tencentcloud.common import credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.cvm.v20170312 import cvm_client, models as cvm
from tencentcloud.monitor.v20180724 import monitor_client, models as monitor
from tencentcloud.tat.v20201028 import tat_client, models as tat
from tencentcloud.vpc.v20170312 import vpc_client, models as vpc

ENDPOINT = os.environ["DEMO_ENDPOINT"].removeprefix("http://")
GOOD = credential.Credential(os.environ["DEMO_SECRET_ID"], os.environ["DEMO_SECRET_KEY"])


def client(kind, region="ap-seoul", credentials=GOOD, method="POST"):
    http = HttpProfile(protocol="http", endpoint=ENDPOINT, reqMethod=method, reqTimeout=20)
    return kind(credentials, region, ClientProfile(httpProfile=http, signMethod="TC3-HMAC-SHA256"))


def request(model, **parameters):
    model.from_json_string(json.dumps(parameters))
    return model


def refused(code, call, *arguments):
    try:
        call(*arguments)
    except TencentCloudSDKException as error:
        assert error.get_code() == code, f"{error.get_code()} instead of {code}"
        assert error.get_request_id(), "a refusal carries a request id"
        return
    raise AssertionError(f"{code} was expected, but the call succeeded")


def instance(api, name):
    answer = api.DescribeInstances(
        request(cvm.DescribeInstancesRequest(), Filters=[{"Name": "instance-name", "Values": [name]}])
    )
    [found] = [i for i in answer.InstanceSet if i.InstanceName == name]
    return found


def lists_pages_and_filters(api):
    everything = api.DescribeInstances(request(cvm.DescribeInstancesRequest(), Limit=100))
    total = everything.TotalCount
    assert total == len(everything.InstanceSet) and total >= 14, total
    paged = []
    while len(paged) < total:
        page = api.DescribeInstances(request(cvm.DescribeInstancesRequest(), Offset=len(paged), Limit=5))
        assert page.TotalCount == total and 0 < len(page.InstanceSet) <= 5
        paged += [i.InstanceId for i in page.InstanceSet]
    assert paged == [i.InstanceId for i in everything.InstanceSet]
    stopped = api.DescribeInstances(
        request(cvm.DescribeInstancesRequest(), Filters=[{"Name": "instance-state", "Values": ["STOPPED"]}])
    )
    assert {i.InstanceState for i in stopped.InstanceSet} == {"STOPPED"}
    tagged = api.DescribeInstances(
        request(
            cvm.DescribeInstancesRequest(),
            Filters=[{"Name": "tag:service", "Values": ["shop"]}, {"Name": "instance-state", "Values": ["RUNNING"]}],
        )
    )
    assert 0 < tagged.TotalCount < total
    status = api.DescribeInstancesStatus(request(cvm.DescribeInstancesStatusRequest(), InstanceIds=paged[:3]))
    assert [s.InstanceId for s in status.InstanceStatusSet] == paged[:3]
    get = client(cvm_client.CvmClient, method="GET")
    assert get.DescribeInstances(request(cvm.DescribeInstancesRequest(), Limit=2)).TotalCount == total


def refuses_what_the_service_refuses(api):
    wrong = credential.Credential(GOOD.secret_id, "not-the-key")
    unknown = credential.Credential("AKIDnobody", GOOD.secret_key)
    empty = cvm.DescribeInstancesRequest()
    refused("AuthFailure.SignatureFailure", client(cvm_client.CvmClient, credentials=wrong).DescribeInstances, empty)
    refused("AuthFailure.SecretIdNotFound", client(cvm_client.CvmClient, credentials=unknown).DescribeInstances, empty)
    refused("UnsupportedRegion", client(cvm_client.CvmClient, region="ap-nowhere").DescribeInstances, empty)
    for code, parameters in [
        ("InvalidInstanceId.Malformed", {"InstanceIds": ["i-1"]}),
        ("InvalidInstanceId.NotFound", {"InstanceIds": ["ins-00000000"]}),
        ("InvalidParameterValue.Range", {"Limit": 500}),
        ("InvalidFilter", {"Filters": [{"Name": "colour", "Values": ["red"]}]}),
    ]:
        refused(code, api.DescribeInstances, request(cvm.DescribeInstancesRequest(), **parameters))
    refused("UnknownParameter", lambda: api.call_json("DescribeInstances", {"Colour": "red"}))
    refused("InvalidParameter", lambda: api.call_json("DescribeInstances", {"Limit": "ten"}))
    refused("MissingParameter", lambda: api.call_json("RebootInstances", {}))
    refused("InvalidAction", lambda: api.call_json("DescribeNothing", {}))
    stopped = instance(api, "staging-web-01").InstanceId
    refused(
        "UnsupportedOperation.InstanceStateStopped",
        api.RebootInstances,
        request(cvm.RebootInstancesRequest(), InstanceIds=[stopped]),
    )
    refused(
        "InvalidParameterCombination",
        api.RebootInstances,
        request(cvm.RebootInstancesRequest(), InstanceIds=[stopped], ForceReboot=True, StopType="HARD"),
    )


def is_throttled(api):
    answers = []
    for _ in range(60):
        try:
            api.DescribeInstancesStatus(request(cvm.DescribeInstancesStatusRequest(), Limit=1))
            answers.append("ok")
        except TencentCloudSDKException as error:
            answers.append(error.get_code())
            break
    if "ok" in answers and len(answers) == 60:
        return "too slow to reach 40 requests a second"
    assert answers[-1] == "RequestLimitExceeded", answers[-1]
    return "after %d requests" % (len(answers) - 1)


def reboots_and_starts(api):
    target = instance(api, "shop-web-01")
    accepted = api.RebootInstances(
        request(cvm.RebootInstancesRequest(), InstanceIds=[target.InstanceId], StopType="SOFT")
    )
    assert instance(api, "shop-web-01").InstanceState == "REBOOTING"
    follow(api, "shop-web-01", accepted.RequestId, "RebootInstances", "RUNNING")
    stopped = instance(api, "staging-web-01")
    accepted = api.StartInstances(request(cvm.StartInstancesRequest(), InstanceIds=[stopped.InstanceId]))
    follow(api, "staging-web-01", accepted.RequestId, "StartInstances", "RUNNING")


def follow(api, name, request_id, operation, state):
    deadline = time.monotonic() + 30
    while True:
        now = instance(api, name)
        assert now.LatestOperationRequestId == request_id and now.LatestOperation == operation
        if now.LatestOperationState != "OPERATING":
            break
        assert time.monotonic() < deadline, f"{operation} never ended"
        time.sleep(0.1)
    assert (now.LatestOperationState, now.InstanceState) == ("SUCCESS", state)


def edits_rules(api):
    network = client(vpc_client.VpcClient)
    group = instance(api, "shop-api-01").SecurityGroupIds[0]

    def rules():
        answer = network.DescribeSecurityGroupPolicies(
            request(vpc.DescribeSecurityGroupPoliciesRequest(), SecurityGroupId=group)
        )
        return answer.SecurityGroupPolicySet

    def create(version=None, **rule):
        policies = {"Ingress": [rule]} | ({"Version": version} if version else {})
        return network.CreateSecurityGroupPolicies(
            request(vpc.CreateSecurityGroupPoliciesRequest(), SecurityGroupId=group, SecurityGroupPolicySet=policies)
        )

    def delete(version=None, **rule):
        policies = {"Ingress": [rule]} | ({"Version": version} if version else {})
        return network.DeleteSecurityGroupPolicies(
            request(vpc.DeleteSecurityGroupPoliciesRequest(), SecurityGroupId=group, SecurityGroupPolicySet=policies)
        )

    before = rules()
    rule = {"Protocol": "TCP", "Port": "10022", "CidrBlock": "127.0.0.1/32", "Action": "ACCEPT"}
    create(version=before.Version, PolicyIndex=0, PolicyDescription="contract", **rule)
    after = rules()
    assert int(after.Version) == int(before.Version) + 1
    top = after.Ingress[0]
    assert (top.Port, top.CidrBlock, top.PolicyIndex) == ("10022", "127.0.0.1/32", 0)
    assert [r.Port for r in after.Ingress[1:]] == [r.Port for r in before.Ingress]
    refused("UnsupportedOperation.DuplicatePolicy", lambda: create(PolicyIndex=0, **rule))
    refused("UnsupportedOperation.VersionMismatch", lambda: create(version=before.Version, **(rule | {"Port": "1"})))
    refused("UnsupportedOperation.VersionMismatch", lambda: delete(version=before.Version, PolicyIndex=0))
    refused("InvalidParameter.Coexist", lambda: create(**(rule | {"Ipv6CidrBlock": "::/0"})))
    create(**(rule | {"Port": "8000-8010"}))
    assert rules().Ingress[-1].Port == "8000-8010", "a rule without an index goes to the bottom"
    delete(**(rule | {"Port": "8000-8010"}))
    delete(version=rules().Version, PolicyIndex=0)
    assert [r.Port for r in rules().Ingress] == [r.Port for r in before.Ingress]
    groups = network.DescribeSecurityGroups(
        request(vpc.DescribeSecurityGroupsRequest(), SecurityGroupIds=[group], Offset="0", Limit="20")
    )
    assert groups.SecurityGroupSet[0].SecurityGroupId == group


def reads_addresses_and_load(api):
    network = client(vpc_client.VpcClient)
    elastic = network.DescribeAddresses(request(vpc.DescribeAddressesRequest(), Limit=100)).AddressSet
    # Without a type every elastic kind is listed, and no ordinary address.
    assert {a.AddressType for a in elastic} == {"EIP", "AnycastEIP"}
    ordinary = network.DescribeAddresses(
        request(
            vpc.DescribeAddressesRequest(),
            Limit=100,
            Filters=[{"Name": "address-type", "Values": ["WanIP"]}],
        )
    ).AddressSet
    assert ordinary and {a.AddressType for a in ordinary} == {"WanIP"}
    target = instance(api, "render-01").InstanceId
    now = int(time.time())
    stamp = lambda at: time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(at))
    data = client(monitor_client.MonitorClient).GetMonitorData(
        request(
            monitor.GetMonitorDataRequest(),
            Namespace="QCE/CVM",
            MetricName="BaseCpuUsage",
            Instances=[{"Dimensions": [{"Name": "InstanceId", "Value": target}]}],
            Period=60,
            StartTime=stamp(now - 600),
            EndTime=stamp(now),
        )
    )
    [points] = data.DataPoints
    assert len(points.Timestamps) == len(points.Values) >= 8 and max(points.Values) > 90


def runs_a_command(api):
    agent = client(tat_client.TatClient)
    target = instance(api, "logs-01").InstanceId
    run = agent.RunCommand(
        request(
            tat.RunCommandRequest(),
            Content=base64.b64encode(b"echo still here\n").decode(),
            InstanceIds=[target],
            Timeout=10,
        )
    )
    deadline = time.monotonic() + 20
    while True:
        [task] = agent.DescribeInvocationTasks(
            request(
                tat.DescribeInvocationTasksRequest(),
                Filters=[{"Name": "invocation-id", "Values": [run.InvocationId]}],
                HideOutput=False,
            )
        ).InvocationTaskSet
        if task.TaskStatus not in ("PENDING", "DELIVERING", "RUNNING"):
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert task.TaskStatus == "SUCCESS" and task.TaskResult.ExitCode == 0
    assert base64.b64decode(task.TaskResult.Output) == b"still here\n"


def main():
    api = client(cvm_client.CvmClient)
    for step in (
        lists_pages_and_filters,
        refuses_what_the_service_refuses,
        reboots_and_starts,
        edits_rules,
        reads_addresses_and_load,
        runs_a_command,
        is_throttled,
    ):
        time.sleep(1.05)  # the documented rates are enforced: each step has a second of its own
        print("%s: %s" % (step.__name__, step(api) or "ok"))


if __name__ == "__main__":
    sys.exit(main())
