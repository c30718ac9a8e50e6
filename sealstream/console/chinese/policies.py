"""Chinese of policies: versions, explaining, comparing."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "Policies": "策略",
    "Propose the next version": "提议下一版本",
    "Explain a decision": "解释判定",
    "Version {n}": "版本 {n}",
    "what the program ships": "程序自带",
    "proposed by {person}": "由 {person} 提议",
    "adopted by {person}": "由 {person} 采纳",
    "Policies, version {n}": "策略，版本 {n}",
    "Proposed by": "提议人",
    "Adopted by": "采纳人",
    "nobody yet": "尚无",
    "Made for version": "基于版本",
    "Who gains or loses what, and adopting it": "查看谁的权限增减，并采纳",
    "It was made for other policies than are in force now. Propose it anew.": "它所依据的策略已不是现行策略，请重新提议。",
    "Text": "文本",
    "Propose policies": "提议策略",
    "The policies as a whole, in Cedar": "完整的策略文本（Cedar）",
    (
        "You begin with version {n}, which is in force. Each policy has an @id of its own. Nothing holds before an "
        "administrator of another unit adopts it."
    ): "以现行的版本 {n} 为起点。每条策略须有自己的 @id。在其他单位的管理员采纳之前不生效。",
    "What version {n} changes": "版本 {n} 带来的变化",
    (
        "Everybody's reading of every kind of record, for the purposes {purposes}, without an approval and with one of "
        "each level, under what is in force and under this version."
    ): "比较现行策略与此版本下，所有人员为用途 {purposes} 读取各类记录的情况，包括无审批和各级审批。",
    "There is too much to compare on a page. Compare with sealstream access diff before you adopt it.": (
        "内容过多，无法在页面上比较。采纳前请用 sealstream access diff 比较。"
    ),
    "Nobody gains or loses anything by it.": "没有人的权限因此增减。",
    "{person} gains": "{person} 增加",
    "{person} loses": "{person} 失去",
    "with an approval of level {n}": "有 {n} 级审批",
    "without an approval": "无审批",
    "Policies: {names}": "策略：{names}",
    "And {n} more; sealstream access diff lists all of them.": "另有 {n} 项；sealstream access diff 可列出全部。",
    "It was adopted by {person}.": "已由 {person} 采纳。",
    "Adopt it": "采纳",
    "Proposed by {person}. You are of another unit, and you sign exactly this text on the next page.": (
        "由 {person} 提议。您须属于其他单位，并在下一页签署完全相同的文本。"
    ),
    "Adopt version {n}": "采纳版本 {n}",
    "Its text": "查看文本",
    "Whose record: organisation/department": "记录所有方：机构/部门",
    "Source (any when empty)": "来源（留空表示任意）",
    "As if an approval of this level covered all fields": "假设此级别的审批涵盖全部字段",
    "Explain": "解释",
    "Explain who sees what of it": "解释谁能看到什么",
    "Why they see what they see": "为何如此显示",
    "Fields, and the policies in force that decide over them": "各字段及作出判定的现行策略",
    "Decided by": "判定依据",
    "Looked at too": "另外考虑过",
    "nothing permits it": "没有策略允许",
    "You propose version {n} of the policies. It holds once somebody of another unit adopts it.": (
        "您提议策略的版本 {n}。其他单位的人员采纳后生效。"
    ),
    "You put version {n} of the policies in force, for everybody and from the next look on.": (
        "您使策略的版本 {n} 生效，自下一次查看起对所有人适用。"
    ),
    "that version was adopted already": "该版本已被采纳",
    "that act does not belong here": "该操作不属于此处",
    "nobody of that name is registered": "没有登记此名称的人员",
    "name the owner as organisation/department, and a kind": "请按 机构/部门 填写所有方，并填写种类",
    "In force": "现行",
    "Proposed": "已提议",
    "Former": "历史版本",
    "Outdated": "依据已变",
}
