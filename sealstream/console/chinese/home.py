"""Chinese of the overview."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "Overview": "概览",
    "Person": "人员",
    "Unit": "单位",
    "Roles": "角色",
    "Duties": "职责",
    "Standing tier": "常设级别",
    "Session ends": "会话到期",
    "Requests that wait for your decision: {n}": "待您审批的申请：{n}",
    "No request waits for your decision.": "没有待您审批的申请。",
    "Register an authenticator, to ask for access and to approve": "登记认证器，以便申请访问和审批",
}
