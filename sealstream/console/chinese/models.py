"""Chinese of models."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "Models": "模型",
    "as a shadow: its answers are not used": "影子运行：不采用其结果",
    "answers {n} % of the records": "处理 {n} % 的记录",
    "not evaluated": "未评估",
    "None is registered: the models that the program ships are in force.": "没有登记的模型：使用程序自带的模型。",
    "Model {name} {version}": "模型 {name} {version}",
    "On trial": "试用",
    "Active before it": "此前启用的版本",
    "Family": "模型族",
    "Task": "任务",
    "Languages": "语言",
    "Labels": "标签",
    "How it did": "评估结果",
    "Examples": "样本数",
    "Score": "得分",
    "Macro F1": "宏平均 F1",
    "Calibration error": "校准误差",
    "Coverage": "覆盖率",
    "Score where it decides": "作出判定时的得分",
    "Digest of the data": "数据摘要",
    "Label by label": "逐标签",
    "Labels on {data}": "在 {data} 上的各标签",
    "Precision": "精确率",
    "Recall": "召回率",
    "Beside other versions": "与其他版本对比",
    "{trial} on trial, {active} active": "试用 {trial}，启用 {active}",
    "{n} records compared; another label on {apart}, no answer on {none}.": "比较 {n} 条记录；{apart} 条标签不同，{none} 条无结果。",
    "The most frequent differences": "最常见的差异",
    "Active": "启用",
    "It was not compared with another version.": "未与其他版本比较。",
    "Card": "模型卡",
    "Models are changed by an operator with sealstream models activate, rollback and retire; each change is in every log.": (
        "模型由运维人员用 sealstream models activate、rollback 和 retire 变更；每次变更都记入所有日志。"
    ),
    "Candidate": "候选",
    "Retired": "已停用",
}
