"""Chinese of logging in."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "Log in": "登录",
    "API key or access token": "API 密钥或访问令牌",
    "An API key begins with sk_. An access token comes from your organisation's identity provider. Neither is kept here "
    "in the clear, and every look is written into the log.": "API 密钥以 sk_ 开头；访问令牌由贵单位的身份提供方签发。两者都不以明文保存，"
    "每次查看都会写入日志。",
    "nobody of that name is registered here": "此处没有登记该人员",
    "the API key is not one of ours": "API 密钥无效",
    "the API key was revoked; ask for a new one": "API 密钥已被吊销，请申请新的密钥",
    "the API key has expired; ask for a new one": "API 密钥已过期，请申请新的密钥",
    "the token has expired; get a new one from its issuer": "令牌已过期，请向签发方重新获取",
}
