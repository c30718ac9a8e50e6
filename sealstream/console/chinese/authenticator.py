"""Chinese of one's authenticator."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "My authenticator": "我的认证器",
    "Your key is registered. Its thumbprint, for whoever wants to see that it is yours:": "您的密钥已登记。其指纹供他人核对：",
    "A key that is lost or replaced is registered by your administrator, who sees that it is you:": "密钥遗失或更换时，由管理员核实本人后登记：",
    "You have no key yet. With one you ask for access and approve; whoever registers duties sees to it that its thumbprint is "
    "yours.": "您还没有密钥。有了密钥才能申请访问和审批；登记职责的人员会核对其指纹属于您。",
    "Make a key in my authenticator": "在我的认证器中生成密钥",
    "This takes JavaScript and an authenticator: a security key, a phone, or this device.": "这需要 JavaScript 和认证器：安全密钥、手机或本设备。",
    "Your authenticator made no key, or it took too long. Try again.": "认证器未生成密钥或超时，请重试。",
    "Sign once with the new key, to show that it is yours.": "请用新密钥签名一次，以证明它属于您。",
    "the authenticator's key is none that can be used here": "此认证器的密钥在这里无法使用",
    "you have a key; another one is registered by your administrator": "您已有密钥；更换密钥由管理员登记",
}
