"""Chinese of dead letters, and of the reasons for which messages are refused."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "Dead letters": "死信",
    "Dead letter": "死信",
    "Refused because": "拒收原因",
    "any reason": "任何原因",
    "The newest": "最新条数",
    "List": "列出",
    "Dead letters to replay": "要重放的死信",
    "Replay {id}": "重放 {id}",
    "last replay: {outcome}": "上次重放：{outcome}",
    "A replay takes a message in again under today's keys, catalogue and model. The log says so.": (
        "重放会按当前的密钥、目录和模型重新接收消息，并记入日志。"
    ),
    "Replay those chosen": "重放所选死信",
    "There is no dead letter of yours with that reason.": "您没有因此原因拒收的死信。",
    "Id": "编号",
    "Detail": "详情",
    "Came in at": "接收位置",
    "Last replay": "上次重放",
    "none yet": "尚无",
    "The message as received": "收到的原始消息",
    "The content is of tier 4. Policies decide whether you see it, and the look is in the log.": (
        "内容为 4 级。能否查看由策略决定，查看会记入日志。"
    ),
    "Look at the content": "查看内容",
    "Key": "消息键",
    "No policy opens it to you for this purpose, or it is erased.": "没有策略为此用途向您开放，或内容已删除。",
    "Replayed": "重放结果",
    "Nothing was written: it can't be replayed. Its content may be erased, or keys changed meanwhile; try again.": (
        "未写入任何内容：无法重放。内容可能已删除，或密钥在此期间有变更；请重试。"
    ),
    "Refused again: {reason}": "再次拒收：{reason}",
    "Taken in: {outcome}": "已接收：{outcome}",
    "Back to the dead letters": "返回死信列表",
    "choose dead letters first, 200 at most at once": "请先选择死信，每次最多 200 条",
    "Malformed": "格式错误",
    "Unsupported type": "不支持的类型",
    "Not signed": "没有签名",
    "Unknown key": "未知密钥",
    "Key revoked": "密钥已撤销",
    "Key expired": "密钥已过期",
    "Bad signature": "签名无效",
    "Digest does not match": "摘要不符",
    "Too old": "已过时",
    "Conflicts with what is there": "与已有内容冲突",
    "Too large": "过大",
    "Does not fit its schema": "不符合模式",
    "Incomplete": "不完整",
    "Unreadable document": "无法读取的文档",
    "The model failed": "模型失败",
    "The platform failed on it": "平台处理失败",
}
