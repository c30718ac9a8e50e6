"""What customers and citizens write to a bank or an authority, by language and concern.

Written for this project; no line was copied from a real letter. A word in braces is filled in by `letters`.
"""

from collections.abc import Mapping

Wordings = Mapping[str, tuple[str, ...]]

ENGLISH: Wordings = {
    "card": (
        "My card was declined twice on {date} although my account {iban} is in credit. Please tell me what blocks it.",
        "I have lost my card. Please block it and send a new one to my address; the account is {iban}.",
        "On {date} somebody paid {amount} {currency} with my card. I was at home that day and ask you to refund it.",
    ),
    "transfer": (
        "I sent {amount} {currency} to {name} on {date}, and it has not arrived. The receiving account is {iban}.",
        "A transfer to {iban} went to the wrong person. Please recall {amount} {currency} before it is spent.",
        "How long does a transfer from abroad take? {name} says that {amount} {currency} left on {date}.",
    ),
    "fees": (
        "I complain about a fee of {amount} {currency} on my last statement. Nobody told me of it before.",
        "Please explain the charge of {amount} {currency} booked on {date}; the price list does not name it.",
    ),
    "tax": (
        "I ask for an extension of the deadline for my tax return. My number is {number}, and I was ill until {date}.",
        "The assessment of {date} counts {amount} {currency} twice. I enclose the statement of account {iban}.",
    ),
    "register": (
        "Please change the address in the register of {name}, number {number}, from {date} on.",
        "We ask for a certified extract about {name}, number {number}. Please charge account {iban}.",
    ),
    "thanks": (
        "Your colleague at the counter was most patient with my mother on {date}. Please pass on our thanks.",
        "The matter of {number} is settled, and {amount} {currency} has arrived. Thank you for your quick help.",
    ),
}

CHINESE: Wordings = {
    "card": (
        "本人银行卡于{date}两次刷卡失败,账户{iban}余额充足,请查明原因。",
        "本人不慎遗失银行卡,请立即挂失并补办新卡,账号为{iban}。",
        "{date}有人用本人的卡消费{amount}元,当日本人在家,请予退款。",
    ),
    "transfer": (
        "本人于{date}向{name}汇款{amount}元,至今未到账,收款账号为{iban}。",
        "汇往{iban}的{amount}元转错了人,请协助追回。",
        "请问境外汇款需要几个工作日?{name}称{date}已汇出{amount}元。",
    ),
    "fees": (
        "本人投诉:上月账单中扣收{amount}元手续费,事先未告知。",
        "请说明{date}扣收的{amount}元是什么费用,价目表中没有此项。",
    ),
    "tax": (
        "本人因病住院至{date},申请延期申报个人所得税,编号{number}。",
        "{date}的核定通知将{amount}元重复计算,附账户{iban}的流水。",
    ),
    "register": (
        "自{date}起,请将{name}(编号{number})的登记地址予以变更。",
        "申请出具{name}(编号{number})的登记证明,费用请从账户{iban}扣收。",
    ),
    "thanks": (
        "{date}贵行柜台工作人员耐心帮助了我的母亲,谨表谢意。",
        "编号{number}的事项已办结,{amount}元已到账,感谢贵单位。",
    ),
}

OPENINGS: Mapping[str, tuple[str, ...]] = {
    "en": ("Dear Sir or Madam,", "To whom it may concern,", "Good morning,"),
    "zh": ("尊敬的工作人员:", "您好:", "敬启者:"),
}
CLOSINGS: Mapping[str, tuple[str, ...]] = {
    "en": ("Yours faithfully,\n{name}", "With kind regards,\n{name}"),
    "zh": ("此致\n敬礼\n{name}", "顺祝\n商祺\n{name}"),
}
