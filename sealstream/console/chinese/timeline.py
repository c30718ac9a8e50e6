"""Chinese of the audit timeline."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "Audit timeline": "审计时间线",
    "Asking is a look, and in the log before the answer.": "查询本身也是一次查看，先记入日志再作答。",
    "Who saw this record": "谁查看过此记录",
    "What did this person see": "此人查看过什么",
    "Entries of a log": "日志条目检索",
    "Id of a record or a message": "记录或消息的编号",
    "Id of a record, a message or a dead letter": "记录、消息或死信的编号",
    "Purpose": "用途",
    "Person": "人员",
    "Organisation whose log it is": "日志所属机构",
    "From (UTC)": "起始时间（UTC）",
    "To before (UTC)": "截止时间（UTC，不含）",
    "Kind": "种类",
    "any": "全部",
    "Model: name, name@version or digest": "模型：名称、名称@版本或摘要",
    "Show": "查询",
    "Found, in the order of the log": "查询结果（按日志顺序）",
    "These parts of the log are held outside the database, and not looked through:": "日志的以下部分存于数据库之外，未检索：",
    "There is nothing, as far as the newest checkpoint reaches.": "截至最新检查点没有内容。",
    "Record": "记录",
    "opened by an approval": "凭审批开放",
    "Proof of entry {index}": "条目 {index} 的证明",
    "It showed {n}; the list's key is shredded.": "显示了 {n} 条；清单的密钥已销毁。",
    "What it showed: {n}": "所显示的内容：{n}",
    "It showed no record.": "未显示任何记录。",
    "The leaf of entry {index}": "条目 {index} 的内容",
    "Later entries": "更晚的条目",
}
