"""Chinese of the pages of records."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "Records": "记录",
    "Record": "记录",
    "Record {id}": "记录 {id}",
    "Message": "消息",
    "Owner": "所有方",
    "Kind": "种类",
    "Source": "来源",
    "Outcome": "处理结果",
    "Stored": "存储时间",
    "Linked with": "关联记录",
    "Proof that the log has it": "日志证明",
    "Purpose of this look": "本次查看的用途",
    "Fields of record {id}": "记录 {id} 的字段",
    "Decision {n} by a person, {time}": "第 {n} 次人工决定，{time}",
    "Request access to fields that are not open": "申请访问未开放的字段",
    "Request access": "申请访问",
    "List the newest": "列出最新记录",
    "Purpose": "用途",
    "What you look for, in small letters, such as casework. Policies decide by it and the log commits to it.": "查看目的，用小写"
    "字母填写，例如 casework。策略据此决定，日志对其作出承诺。",
    "Organisation (all of yours when empty)": "机构（留空则为您可见的全部）",
    "Records on a page": "每页条数",
    "List": "列出",
    "Search by a field": "按字段检索",
    "Exact value": "精确值",
    "Search": "检索",
    "Open by id": "按编号打开",
    "Id of a record or a message": "记录或消息的编号",
    "Open the record": "打开记录",
    "Found": "检索结果",
    "There is nothing that you may see.": "没有您可以查看的内容。",
    "Older records": "更早的记录",
    "that is no id": "编号格式不正确",
}
