"""Chinese of the catalogue."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "Catalogue": "目录",
    (
        "How the fields of each kind of record are kept: at which tier they are sealed, how they are searched, and "
        "whether other units may get them."
    ): "各类记录的字段如何保存：以何级别密封、如何检索、其他单位能否获得。",
    "Propose an entry for a new kind": "为新种类提议条目",
    "for everybody without an entry of their own": "适用于没有自己条目的所有机构",
    "{n} fields": "{n} 个字段",
    "not registered by anybody's signature": "未经签名登记",
    "Versions that wait to be adopted: {n}": "待采纳版本：{n}",
    "Kind of record": "记录种类",
    "Whose records": "记录所属",
    "Versions": "版本",
    "None: it is kept as the program ships it, or as rows that nobody signed say.": (
        "无：按程序自带的设定或未经签名的数据行保存。"
    ),
    "Fields as they are kept now": "字段的现行保存方式",
    "Searched as": "检索方式",
    "Shared": "共享",
    "Entry of the catalogue, version {n}": "目录条目，版本 {n}",
    "Fields of this version, beside what is in force": "此版本的字段与现行设定的对比",
    "new": "新增",
    "left out": "去除",
    "You answer for this data, and sign exactly this entry on the next page.": "您对这些数据负责，并在下一页签署完全相同的条目。",
    (
        "It waits for whoever answers for the data: a data provider of that department, or for everybody's records an "
        "administrator of another unit."
    ): "等待数据负责方采纳：该部门的数据提供方；若适用于所有机构，则为其他单位的管理员。",
    "Propose an entry": "提议条目",
    "The entry as a whole, as JSON": "完整的条目（JSON）",
    (
        "Kind, tenant (* for everybody), provider (a department), legal basis, and of each field name, tier 1 to 5, "
        "search (account, name, reference, magnitude, leading_digit or null) and sharing (unconditional, conditional, "
        "not_shared)."
    ): (
        "种类、机构（* 表示所有机构）、提供方（部门）、法律依据；每个字段的名称、级别 1 至 5、检索方式（account、name、"
        "reference、magnitude、leading_digit 或 null）和共享方式（unconditional、conditional、not_shared）。"
    ),
    "You propose version {n} of an entry. It holds once its provider adopts it.": "您提议条目的版本 {n}。数据提供方采纳后生效。",
    "You put version {n} of an entry in force, for records that come from now on.": (
        "您使条目的版本 {n} 生效，适用于此后到来的记录。"
    ),
    "that version does not wait to be adopted, or not any more": "该版本不在待采纳之列",
    "Unconditionally": "无条件共享",
    "Conditionally": "有条件共享",
    "Not shared": "不共享",
    "Account": "账号",
    "Name": "名称",
    "Reference": "参考号",
    "Magnitude": "数量级",
    "Leading digit": "首位数字",
}
