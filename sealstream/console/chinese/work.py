"""Chinese of the pages of work."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "Throughput": "吞吐量",
    "Tasks": "任务跟踪",
    "Task": "任务",
    "Id": "编号",
    "Id of a record, a message or a dead letter": "记录、消息或死信的编号",
    "Show its stages": "查看处理阶段",
    "Organisation": "机构",
    "Outcome": "处理结果",
    "Model": "模型",
    "Lane": "队列",
    "Place in the log": "日志位置",
    "waits for it": "等待编入",
    "Decision of the scheduler": "调度决定",
    "Proof that the log has it": "日志证明",
    "Span of time": "时间范围",
    "{n} minutes": "{n} 分钟",
    "Stop refreshing": "停止刷新",
    "Refresh by itself": "自动刷新",
    "As of {time}": "截至 {time}",
    "Records a minute, by outcome; the table below has the same numbers": "每分钟记录数（按处理结果）；下表为相同数据",
    "Records a minute, by outcome": "每分钟记录数（按处理结果）",
    "What waits": "等待处理",
    "Leaves without a place in a log": "尚未编入日志的条目",
    "the oldest for {n} s": "最久已等待 {n} 秒",
    "Leaves not published yet": "尚未发布的条目",
    "Lane {name}": "队列 {name}",
    "{n} records, {late} late, the oldest for {seconds} s": "{n} 条，逾期 {late} 条，最久已等待 {seconds} 秒",
    "How far consumers are behind the broker is not known here: the metric sealstream_partition_lag_records of the workers "
    "says it.": "此处无法得知消费者落后于消息代理的程度：请看工作进程的指标 sealstream_partition_lag_records。",
    "Minute (UTC)": "分钟（UTC）",
    "Nothing happened in this time.": "此时间段内没有处理记录。",
    "that is no id": "编号格式不正确",
}
