"""What camt.053 elements may hold, by version: the parts that are read, in the order the standard gives them.

Written by hand from the published message definitions, versions 001.01 to 001.12. Parts that nobody reads (charges,
interest, postal addresses, supplementary data …) are `any`: their place is checked, their content is not looked at.

One item is `Name:kind`, then `?` for at most one, `*` for any number, `+` for at least one, nothing for exactly one,
then `@4-`, `@-6`, `@2-6` for the versions that have it. `(A:x|B:y)` is a choice. A kind with a capital is another entry
of this table; the others are the values of `schemas.camt.values`.
"""

OLDEST_VERSION = 1
NEWEST_VERSION = 12

LAYOUT: dict[str, str] = {
    "Document": "BkToCstmrStmtV01:Message@-1 BkToCstmrStmt:Message@2-",
    "Message": "GrpHdr:Header Stmt:Statement+ SplmtryData:any*@3-",
    "Header": "MsgId:text35 CreDtTm:time MsgRcpt:any? MsgPgntn:Page? OrgnlBizQry:any?@3- AddtlInf:text500?",
    "Page": "PgNb:digits5 LastPgInd:flag",
    "Statement": (
        "Id:text35 StmtPgntn:Page?@3- ElctrncSeqNb:whole? RptgSeq:any?@7- LglSeqNb:whole? CreDtTm:time@-6"
        " CreDtTm:time?@7- FrToDt:Period? CpyDplctInd:copy? RptgSrc:Code?@2- Acct:Account RltdAcct:any? Intrst:any*"
        " Bal:Balance+ TxsSummry:any? Ntry:element* AddtlStmtInf:text500?"
    ),
    "Period": "FrDtTm:time ToDtTm:time",
    "Code": "(Cd:text4|Prtry:text35)",
    "Account": (
        "Id:AccountId@-8 Id:AccountId?@9- Tp:any? Ccy:currency? Nm:text70? Prxy:Proxy?@8- Ownr:any? Svcr:Agent?"
    ),
    "AccountId": "(IBAN:iban2003|BBAN:text30|UPIC:text17|PrtryAcct:PlainId)@-1 (IBAN:iban|Othr:OtherId)@2-",
    "PlainId": "Id:text34",
    "OtherId": "Id:text34 SchmeNm:any? Issr:text35?",
    "Proxy": "Tp:any? Id:text2048",
    "Agent": "FinInstnId:Institution BrnchId:any?",
    "Institution": (
        "(BIC:bic|ClrSysMmbId:any|NmAndAdr:NameAndAddress|PrtryId:any|CmbndId:CombinedId)@-1 BIC:bic?@2-2"
        " BICFI:bic?@3-7 BICFI:bic2014?@8- ClrSysMmbId:any?@2- LEI:lei?@8- Nm:text140?@2- PstlAdr:any?@2- Othr:any?@2-"
    ),
    "NameAndAddress": "Nm:text70 PstlAdr:any",
    "CombinedId": "BIC:bic? ClrSysMmbId:any? Nm:text70? PstlAdr:any? PrtryId:any?",
    "Balance": "Tp:BalanceType CdtLine:any?@-6 CdtLine:any*@7- Amt:amount CdtDbtInd:sign Dt:Date Avlbty:any*",
    "BalanceType": "(Cd:text4|Prtry:text35)@-1 CdOrPrtry:BalanceCode@2- SubTp:Code?@2-",
    "BalanceCode": "(Cd:balance|Prtry:text35)@-6 (Cd:text4|Prtry:text35)@7-",
    "Date": "(Dt:date|DtTm:time)",
    "Entry": (
        "NtryRef:text35?@2- Amt:amount CdtDbtInd:sign RvslInd:flag? Sts:status@-6 Sts:Code@7- BookgDt:Date?"
        " ValDt:Date? AcctSvcrRef:text35? Avlbty:any* BkTxCd:BankCode ComssnWvrInd:flag? AddtlInfInd:MessageRef?"
        " Btch:Batch*@-1 AmtDtls:Amounts? Chrgs:any*@-3 Chrgs:any?@4- TechInptChanl:any?@2- Intrst:any*@-3"
        " Intrst:any?@4- CardTx:any?@3- NtryDtls:Details*@2- TxDtls:Detail*@-1 AddtlNtryInf:text500?"
    ),
    "BankCode": "Domn:Domain? Prtry:ProprietaryCode?",
    "Domain": "Cd:text4 Fmly:Family",
    "Family": "Cd:text4 SubFmlyCd:text4",
    "ProprietaryCode": "Cd:text35 Issr:text35?",
    "MessageRef": "MsgNmId:text35? MsgId:text35?",
    "Details": "Btch:Batch? TxDtls:Detail*",
    "Batch": "MsgId:text35? PmtInfId:text35? NbOfTxs:digits15? TtlAmt:amount?@2- CdtDbtInd:sign?@2-",
    "Detail": (
        "Refs:References? Amt:amount@3-6 Amt:amount?@7- CdtDbtInd:sign@3-6 CdtDbtInd:sign?@7- AmtDtls:Amounts?"
        " Avlbty:any* BkTxCd:BankCode? Chrgs:any*@-3 Chrgs:any?@4- Intrst:any*@-3 Intrst:any?@4- RltdPties:Parties?"
        " RltdAgts:Agents? LclInstrm:any?@7- PmtTpInf:any?@10- Purp:Purpose? RltdRmtInf:any* RmtInf:Remittance?"
        " RltdDts:any? RltdPric:any? RltdQties:any* FinInstrmId:any? Tax:any? RtrInf:any? CorpActn:any?"
        " SfkpgAcct:any? CshDpst:any*@3- CardTx:any?@3- AddtlTxInf:text500? SplmtryData:any*@4-"
    ),
    "References": (
        "MsgId:text35? AcctSvcrRef:text35? PmtInfId:text35?@2- InstrId:text35? EndToEndId:text35? UETR:uetr?@8-"
        " TxId:text35? MndtId:text35? ChqNb:text35? ClrSysRef:text35? AcctOwnrTxId:text35?@3- AcctSvcrTxId:text35?@3-"
        " MktInfrstrctrTxId:text35?@3- PrcgId:text35?@3- Prtry:any?@-2 Prtry:any*@3-"
    ),
    "Amounts": "InstdAmt:Converted? TxAmt:Converted? CntrValAmt:Converted? AnncdPstngAmt:Converted? PrtryAmt:any*",
    "Converted": "Amt:amount CcyXchg:any?",
    "Parties": (
        "InitgPty:any? Dbtr:Party?@-6 Dbtr:PartyOrAgent?@7- DbtrAcct:PartyAccount? UltmtDbtr:Party?@-6"
        " UltmtDbtr:PartyOrAgent?@7- Cdtr:Party?@-6 Cdtr:PartyOrAgent?@7- CdtrAcct:PartyAccount? UltmtCdtr:Party?@-6"
        " UltmtCdtr:PartyOrAgent?@7- TradgPty:any? Prtry:any*"
    ),
    "Party": "Nm:text70?@-1 Nm:text140?@2- PstlAdr:any? Id:any? CtryOfRes:country? CtctDtls:any?@2-",
    "PartyOrAgent": "(Pty:Party|Agt:Agent)",
    "PartyAccount": "Id:AccountId@-8 Id:AccountId?@9- Tp:any? Ccy:currency? Nm:text70? Prxy:Proxy?@8-",
    "Agents": (
        "InstgAgt:any?@7- InstdAgt:any?@7- DbtrAgt:Agent? CdtrAgt:Agent? IntrmyAgt1:any? IntrmyAgt2:any?"
        " IntrmyAgt3:any? RcvgAgt:any? DlvrgAgt:any? IssgAgt:any? SttlmPlc:any? Prtry:any*"
    ),
    "Purpose": "(Cd:text35|Prtry:text35)@-1 (Cd:text4|Prtry:text35)@2-",
    "Remittance": "Ustrd:text140* Strd:Structured*",
    "Structured": (
        "RfrdDocInf:any?@-1 RfrdDocRltdDt:any?@-1 RfrdDocAmt:any*@-1 RfrdDocInf:any*@2- RfrdDocAmt:any?@2-"
        " CdtrRefInf:CreditorReference? Invcr:any? Invcee:any? TaxRmt:any?@5- GrnshmtRmt:any?@5- AddtlRmtInf:text140*"
    ),
    "CreditorReference": "CdtrRefTp:any?@-1 CdtrRef:text35?@-1 Tp:any?@2- Ref:text35?@2-",
}
