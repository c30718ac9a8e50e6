"""Chinese of the page of proofs."""

from collections.abc import Mapping
from typing import Final

TEXTS: Final[Mapping[str, str]] = {
    "Proofs": "证明",
    "Your browser verifies here what a log says of a record: that the log signed it, that it stands in the log, and that "
    "each field is the one that was committed to. Nothing that the server says of it counts: you give the keys.": "您的浏览器"
    "在此自行验证日志对记录的陈述：日志已签名、该条目在日志之中、每个字段与承诺一致。服务器的说法不作数：密钥由您提供。",
    "These scripts come from the server, too. Whoever does not trust it with them takes the file and verifies it with "
    "docs/verify/sealstream_verify.py, or here from a server that they trust.": "这些脚本也来自服务器。若不信任它，请取得文件后用 "
    "docs/verify/sealstream_verify.py 验证，或在您信任的服务器上的本页面验证。",
    "Verifying takes JavaScript. Without it, take the receipt as a file.": "验证需要 JavaScript。没有它时，请将回执取为文件。",
    "Whom you trust": "您信任的密钥",
    "Keys of logs (vkey), one a line": "日志公钥（vkey），每行一个",
    "From whoever runs the log or audits it, by another way than this page: name+id+key.": "请从日志的运营方或审计方处、"
    "经本页面以外的途径取得：名称+编号+密钥。",
    "Keys of witnesses, one a line": "见证方公钥，每行一个",
    "How many witnesses must have cosigned": "至少须有几个见证方联署",
    "Keep in this browser": "保存在此浏览器",
    "Forget": "清除",
    "A record": "记录",
    "Id of a record or a message": "记录或消息的编号",
    "Purpose": "用途",
    "Fetching it is a look in the log.": "获取回执会作为一次查看记入日志。",
    "Fetch and verify": "获取并验证",
    "An entry of a log": "日志条目",
    "Organisation whose log it is": "日志所属机构",
    "Shard": "分片",
    "Index": "序号",
    "A file": "文件",
    "Receipt; choose it, or drop it here": "回执：选择文件或拖到此处",
    "It stays in your browser.": "文件不会离开您的浏览器。",
    "What was verified": "验证结果",
    "What this does not show": "此处未证明的内容",
    "That the log shows everybody the same: that is what witnesses are for.": "日志对所有人展示的内容相同：这由见证方保证。",
    "The tiers that a receipt names, and what fields it left out.": "回执所写的级别，以及它省略了哪些字段。",
    "That what the producer sent was true.": "数据提供方所发送的内容属实。",
    "Verified": "已验证",
    "Failed": "未通过",
    "Not verified": "未验证",
    "Verifying…": "正在验证…",
    "Kept. They will be here next time.": "已保存，下次可直接使用。",
    "Forgotten.": "已清除。",
    "The server gave no receipt (status {status}): there is none that you may see, or the log has not signed it yet.": "服务器"
    "未给出回执（状态 {status}）：没有您可以查看的回执，或日志尚未签名。",
    "The server did not answer, or your login is over.": "服务器没有应答，或您的登录已失效。",
    "All that is in it is verified, step by step as below.": "其中全部内容均已验证，步骤如下。",
    "What could be verified here is good; see below what was not.": "此处能验证的均已通过；未验证的内容见下。",
    "This is not proved. Do not rely on it, keep the file, and tell your auditor.": "未能证明。请勿采信，保留文件并告知审计员。",
    "Verifying broke off. Nothing is proved.": "验证中断，未证明任何内容。",
    "The checkpoint of {origin}, {size} entries, is signed by your key {key}.": "日志 {origin} 的检查点（共 {size} 条）由您的"
    "密钥 {key} 签名。",
    "Cosigned by the witness {name} {time}": "见证方 {name} 已联署 {time}",
    "The witness {name} has not cosigned this checkpoint.": "见证方 {name} 未联署此检查点。",
    "A signature under the name {name}, whose key you have not given.": "有署名 {name} 的签名，但您未提供其公钥。",
    "The leaf stands at index {index} of {size} (RFC 6962 path).": "该条目位于第 {index} 号，共 {size} 条（RFC 6962 路径）。",
    "The leaf says: {said}": "条目内容：{said}",
    "The field {name} is what the leaf commits to: {value}": "字段 {name} 与条目的承诺一致：{value}",
    "The fields: their commitments are {kind}, which no browser has.": "字段：其承诺采用 {kind}，浏览器不支持。",
    "The producer's message and signature, which the receipt holds: verify them with "
    "docs/verify/sealstream_verify.py.": "回执中所含的提供方消息与签名：请用 docs/verify/sealstream_verify.py 验证。",
    "All that would come after it.": "其后的全部步骤。",
    "This is no receipt in the one form that it may have.": "这不是格式规范的回执。",
    "A key that you gave is none: {key}": "您提供的密钥无效：{key}",
    "You have given no key of a log. This one calls itself {origin}.": "您尚未提供日志公钥。该日志自称 {origin}。",
    "It is of a log that you have no key of: {origin}": "它属于您没有公钥的日志：{origin}",
    "The checkpoint is no signed note.": "检查点不是签名文本。",
    "The signed note is no checkpoint.": "签名文本不是检查点。",
    "The checkpoint is of another log: {origin}": "检查点属于另一个日志：{origin}",
    "A signature by {name} is not that key's.": "署名 {name} 的签名与该密钥不符。",
    "The checkpoint is not signed by a key that you gave.": "检查点没有您所提供密钥的签名。",
    "Known witnesses that cosigned: {count}; needed: {least}.": "已联署的已知见证方：{count}；要求：{least}。",
    "The leaf does not stand at its index in the log that was signed.": "该条目不在已签名日志的相应序号处。",
    "The leaf is not in the one form that it may have.": "条目格式不规范。",
    "It is about something else than was asked for ({name}).": "它与所请求的内容（{name}）不符。",
    "The field {name} is not what the leaf commits to: treat it as altered.": "字段 {name} 与条目的承诺不符：视为已被篡改。",
    "The leaf has no commitment to the field {name}.": "条目中没有对字段 {name} 的承诺。",
    "Your browser has no Ed25519 in WebCrypto: no signature can be verified here. Use a newer browser, or "
    "docs/verify/sealstream_verify.py.": "您的浏览器的 WebCrypto 不支持 Ed25519，无法在此验证签名。请使用更新的浏览器，或 "
    "docs/verify/sealstream_verify.py。",
}
