"""How banks describe each kind of entry on a statement, by language. What customers write is in `remittance_wordings`.

Written for this project from general knowledge of statements; no line was copied from a real one. A word in braces is
filled in by `narratives`.
"""

from collections.abc import Mapping

Wordings = Mapping[str, Mapping[str, tuple[str, ...]]]

BANK_WORDINGS: Wordings = {
    "credit_transfer_in": {
        "en": (
            "Bank transfer", "TRANSFER", "Payment {name}", "Funds transfer {ref}", "Wire transfer",
            "Internal transfer", "Money transfer", "SEPA payment", "Payment via online account",
            "Incoming credit transfer", "SEPA CT IN", "Incoming wire", "Wire transfer received",
            "Faster payment received", "BANK GIRO CREDIT", "ACH credit received", "Transfer from {name}", "FPI",
            "CHAPS receipt", "Payment received", "Inward remittance", "Domestic credit transfer received",
            "Inward payment", "Credit advice", "Proceeds of payment", "Instant credit transfer received",
            "Automatic transfer credit", "Internal transfer credit", "Book transfer credit",
            "Cross-border payment received", "Lockbox receipt", "Credit, payment from customer", "BACS credit",
        ),
        "de": (
            "UEBERWEISUNG", "Überweisung {name}", "Umbuchung", "SCHNELLUEBERW.", "INTERNE ÜBERTRAGUNG", "ÜBERTRAG",
            "SEPA-GUTSCHRIFT", "GUTSCHR. UEBERWEISUNG", "Zahlungseingang", "Überweisungsgutschrift",
            "GUTSCHRIFT {name}", "SAMMELGUTSCHRIFT", "Echtzeitgutschrift", "Eingang QR-Rechnung",
            "Gutschrift Auftraggeber: {name}", "ESR-Gutschrift", "Vergütung {name}", "GUTSCHRIFT INLAND",
            "SAMMELGUTSCHRIFT FÜR KONTO {num}", "GUTSCHRIFT QR", "Zahlungseingang Ausland", "EURO-GUTSCHRIFT",
            "DAUERAUFTRAGSGUTSCHRIFT",
        ),
        "fr": (
            "Virement", "VIREMENT SEPA {name}", "VRT {ref}", "Virement interne", "VIR SEPA RECU /DE {name}",
            "VIREMENT RECU", "Virement en votre faveur", "VIREMENT INSTANTANE RECU", "VIR RECU {ref}",
            "Crédit virement", "Bonification de {name}", "VRT DE {name}", "RAPATRIEMENT VIREMENT ETRANGER",
            "Remise de virement reçu",
        ),
        "nl": (
            "Overboeking", "Interne overboeking", "Betaling {name}", "Overschrijving", "Overboeking via mobiel",
            "BIJSCHRIJVING", "Overboeking ontvangen", "SEPA OVERBOEKING VAN {name}", "iDEAL ontvangst",
            "Bijschrijving crediteuren", "INSTANTBETALING ONTVANGEN", "Overschrijving in uw voordeel",
            "Storting van {name}", "Ontvangen betaling acceptgiro",
        ),
        "fi": (
            "Tilisiirto", "SEPA-SIIRTO", "Maksu", "Oma siirto", "TILISIIRTO SAAPUNUT", "Viitesiirto",
            "SAAPUVA SEPA-SIIRTO", "PANO", "Saapuva tilisiirto", "VIITEMAKSU", "Tilillepano", "SAAPUNUT MAKSU {name}",
            "Pikasiirto, saapunut", "Ulkomaan maksu saapunut",
        ),
        "it": (
            "Bonifico", "BONIFICO SEPA", "Giroconto", "Pagamento {name}", "BONIFICO A VOSTRO FAVORE",
            "ACCREDITO BONIFICO", "Bonifico SEPA ricevuto", "BONIF. DA {name}", "GIROCONTO IN ENTRATA",
            "BONIFICO ISTANTANEO RICEVUTO", "Accredito disposto da {name}", "Incasso MAV", "BONIFICO ESTERO IN ARRIVO",
        ),
        "es": (
            "Transferencia", "TRANSFERENCIA SEPA", "Traspaso", "Pago {name}", "TRANSFERENCIA RECIBIDA",
            "ABONO TRANSFERENCIA", "TRANSF. A SU FAVOR", "TRANSFERENCIA DE {name}", "Abono por transferencia",
            "INGRESO TRANSFERENCIA INMEDIATA", "TRASPASO RECIBIDO", "Bizum recibido", "ORDEN DE PAGO RECIBIDA",
        ),
        "sv": (
            "Överföring", "Betalning {name}", "Egen överföring", "BG-INBETALNING", "Insättning", "Bankgiro insättning",
            "Swish mottagen", "INBETALNING {name}", "Överföring från {name}", "Girering in",
            "Utlandsbetalning mottagen",
        ),
        "zh": (
            "转账", "网银转账", "转帐", "跨行转账", "汇款", "转入", "网银转入", "跨行转入", "他行汇入", "汇入汇款",
            "来账", "收款", "转账收入", "贷记来账", "大额支付来账", "收到{name}转账", "行内转入", "電匯匯入",
            "轉帳存入", "手机银行转入", "跨境汇入",
        ),
    },
    "credit_transfer_out": {
        "en": (
            "Bank transfer", "TRANSFER", "Payment {name}", "Funds transfer {ref}", "Wire transfer",
            "Internal transfer", "Money transfer", "SEPA payment", "Payment via online account",
            "Outgoing credit transfer", "SEPA CT OUT", "Outgoing wire", "Wire transfer sent", "Faster payment sent",
            "Bill payment", "ACH credit payment", "Transfer to {name}", "FPO", "CHAPS payment", "Payment order",
            "Outward remittance", "TFR TO {name}", "Online banking payment", "Domestic payment", "Vendor payment",
            "Supplier payment batch", "Automatic transfer debit", "Instant credit transfer sent",
            "Internal transfer debit", "Book transfer debit", "Cross-border payment sent", "Debit advice",
            "Payment to creditor", "BACS payment file",
        ),
        "de": (
            "UEBERWEISUNG", "Überweisung {name}", "Umbuchung", "SCHNELLUEBERW.", "INTERNE ÜBERTRAGUNG", "ÜBERTRAG",
            "SEPA-UEBERWEISUNG", "Überweisung", "ONLINE-UEBERWEISUNG", "Zahlungsausgang", "SAMMELUEBERWEISUNG",
            "Echtzeitüberweisung", "ÜBERWEISUNG AN {name}", "E-Banking-Auftrag", "Auslandsüberweisung",
            "EINZELUEBERWEISUNG", "Zahlung Inland", "UEBERTRAG", "Vergütungsauftrag", "E-Finance Zahlung",
            "Belastung E-Banking", "Zahlungsauftrag",
        ),
        "fr": (
            "Virement", "VIREMENT SEPA {name}", "VRT {ref}", "Virement interne", "VIR SEPA EMIS /POUR {name}",
            "VIREMENT EMIS", "Virement à {name}", "VIREMENT INSTANTANE EMIS", "VIR EMIS WEB", "Ordre de paiement",
            "VIREMENT FOURNISSEURS", "VRT A {name}", "Remise de virements émis", "Débit virement",
        ),
        "nl": (
            "Overboeking", "Interne overboeking", "Betaling {name}", "Overschrijving", "Overboeking via mobiel",
            "OVERBOEKING", "Overboeking naar {name}", "SEPA OVERBOEKING", "Internetbankieren overboeking",
            "iDEAL betaling", "AFSCHRIJVING", "Overschrijving naar {name}", "Betaalopdracht", "Spoedopdracht",
            "Betalingsverkeer batch crediteuren",
        ),
        "fi": (
            "Tilisiirto", "SEPA-SIIRTO", "Maksu", "Oma siirto", "TILISIIRTO", "E-LASKU", "Verkkomaksu",
            "LÄHTEVÄ SEPA-SIIRTO", "MAKSU {name}", "Lähtevä maksu", "Pikasiirto", "OTTO TILISIIRTO",
            "Ulkomaanmaksu lähtevä", "C2B maksuerä",
        ),
        "it": (
            "Bonifico", "BONIFICO SEPA", "Giroconto", "Pagamento {name}", "BONIFICO DA VOI DISPOSTO",
            "DISPOSIZIONE BONIFICO", "Bonifico SEPA a {name}", "ADDEBITO BONIFICO", "GIROCONTO IN USCITA",
            "BONIFICO ISTANTANEO INVIATO", "Vostra disposizione a favore {name}", "PAGAMENTO FORNITORI",
            "BONIFICO ESTERO IN USCITA",
        ),
        "es": (
            "Transferencia", "TRANSFERENCIA SEPA", "Traspaso", "Pago {name}", "TRANSFERENCIA EMITIDA",
            "TRANSF. A FAVOR DE {name}", "CARGO TRANSFERENCIA", "TRANSFERENCIA A {name}", "Pago a proveedores",
            "TRANSFERENCIA INMEDIATA ENVIADA", "TRASPASO EMITIDO", "Bizum enviado", "ORDEN DE PAGO EMITIDA",
        ),
        "sv": (
            "Överföring", "Betalning {name}", "Egen överföring", "BG-BETALNING", "Betalning bankgiro",
            "Överföring till {name}", "Swish skickad", "Girering", "Leverantörsbetalning", "UTBETALNING {name}",
            "Utlandsbetalning skickad",
        ),
        "zh": (
            "转账", "网银转账", "转帐", "跨行转账", "汇款", "转出", "网银转出", "跨行转出", "汇出汇款", "往账",
            "转账支出", "付款", "网银付款", "贷记往账", "大额支付往账", "向{name}转账", "行内转出", "電匯匯出",
            "轉帳支出", "手机银行转账", "跨境汇出",
        ),
    },
    "direct_debit": {
        "en": (
            "DIRECT DEBIT MREF {ref} CRED {ref}", "DIRECT DEBIT", "SEPA direct debit", "SDD CORE", "SEPA DD B2B",
            "DD {name}", "Direct debit collection", "Preauthorised debit", "ACH debit", "Direct debit mandate {ref}",
            "Pre-authorized payment", "Direct debit batch", "Proceeds of direct debits",
            "Direct debits collected {date}", "PAD {name}",
        ),
        "de": (
            "LASTSCHRIFT MREF+{ref} CRED+{ref}", "SEPA-BASISLASTSCHRIFT", "LASTSCHRIFT", "SEPA-FIRMENLASTSCHRIFT",
            "EINZUGSERMÄCHTIGUNG", "Folgelastschrift", "Gutschrift Basislastschriften",
            "Gutschrift Lastschrifteinreichung", "ERSTLASTSCHRIFT", "LASTSCHRIFTEINZUG {name}",
            "SEPA-LASTSCHRIFT Mandat {ref}", "LSV-Belastung", "Abbuchung {name}", "BASISLASTSCHRIFT EINREICHUNG",
        ),
        "fr": (
            "PRLV SEPA {name}", "PRELEVEMENT", "Prélèvement européen", "PRELEVEMENT SEPA B2B", "AVIS DE PRELEVEMENT",
            "PRLVT {name}", "Domiciliation {name}", "Remise de prélèvements",
        ),
        "nl": (
            "/MARF/{ref}/CSID/{ref}", "SEPA INCASSO ALGEMEEN DOORLOPEND", "INCASSO", "Automatische incasso",
            "SEPA INCASSO BEDRIJVEN", "Europese domiciliëring", "Incasso {name} machtiging {ref}", "Domiciliëring",
            "Incassobatch",
        ),
        "fi": ("SUORAVELOITUS", "SEPA-suoraveloitus", "Suoramaksu", "SUORAMAKSU {name}", "Veloitus valtakirjalla"),
        "it": (
            "ADDEBITO DIRETTO SEPA", "SDD {name}", "ADDEBITO SDD", "RID UTENZE", "Addebito preautorizzato",
            "INCASSO SDD MANDATO {ref}",
        ),
        "es": (
            "ADEUDO DIRECTO", "RECIBO {name}", "ADEUDO RECIBIDO", "RECIBO DOMICILIADO", "Adeudo SEPA",
            "REMESA DE RECIBOS",
        ),
        "sv": ("AUTOGIRO", "Autogiro {name}", "AG-dragning", "Autogirodragning"),
        "zh": (
            "代扣", "委托扣款", "批量代扣", "代收", "自动扣款", "代扣水费", "代扣电费", "代扣燃气费", "協議扣款",
            "自動轉帳扣款", "借记业务扣款",
        ),
    },
    "standing_order": {
        "en": (
            "STANDING ORDER", "S/O {name}", "STO", "Standing order to {name}", "Recurring transfer",
            "Scheduled payment",
        ),
        "de": (
            "DAUERAUFTR.NR. {num}", "DAUERAUFTRAG", "SEPA-DAUERAUFTRAG", "Dauerauftrag an {name}",
            "DAUERAUFTRAGSBELASTUNG", "Terminüberweisung",
        ),
        "fr": ("VIREMENT PERMANENT", "VIR PERM POUR {name}", "Ordre permanent", "VIR PERMANENT SEPA"),
        "nl": (
            "Period. overboeking {num}", "PERIODIEKE OVERBOEKING", "Doorlopende opdracht",
            "Periodieke betaling {name}", "BESTENDIGE OPDRACHT",
        ),
        "fi": ("TOISTUVAISSUORITUS", "Toistuva maksu", "Kestotilaus", "JATKUVA MAKSU"),
        "it": ("BONIFICO PERIODICO", "ORDINE PERMANENTE", "Bonifico continuativo", "Bonifico ricorrente {name}"),
        "es": ("TRANSFERENCIA PERIODICA", "ORDEN PERMANENTE", "Transf. periódica a {name}", "TRANSFERENCIA PROGRAMADA"),
        "sv": ("STÅENDE ÖVERFÖRING", "Stående order", "Periodisk överföring"),
        "zh": ("定期转账", "预约转账", "约定转账", "定期付款", "周期转账", "常行指示", "定期轉帳"),
    },
    "card_payment": {
        "en": (
            "CARD PAYMENT {shop} {city} {card}", "POS {shop} {city}", "DEBIT CARD PURCHASE {shop}",
            "VISA {card} {shop}", "CONTACTLESS {shop}", "MASTERCARD {shop} {city}", "Card purchase {shop} on {date}",
            "EFTPOS {shop}", "Point of sale {shop} {card}", "Card settlement {shop}", "Merchant card takings",
            "MAESTRO {shop} {city}",
        ),
        "de": (
            "KARTENZAHLUNG {shop} {city}", "GIROCARD {shop}", "EC-KARTE {shop} {city} {card}",
            "KARTENZAHLUNG KONTAKTLOS {shop}", "ELV {shop}", "Einkauf {shop}, Karten-Nr. {card}",
            "DEBITK. {card} {shop}", "Maestro-Einkauf {shop}", "VISA-Umsatz {shop}", "POS {shop} {city}",
            "Händlerabrechnung Kartenumsatz",
        ),
        "fr": (
            "PAIEMENT CB {shop} {city}", "CARTE {card} {date} {shop}", "ACHAT CB {shop}",
            "FACTURE CARTE DU {date} {shop}", "PAIEMENT PAR CARTE {shop}", "CB*{card} {shop}", "REMISE CARTES {shop}",
        ),
        "nl": (
            "BETAALAUTOMAAT {shop} {city}", "BEA {shop} {card}", "Betaalpas {shop}", "PIN {shop} {city}",
            "Kaartbetaling {shop}", "BANCONTACT {shop}",
        ),
        "fi": (
            "KORTTIOSTO {shop}", "PANKKIKORTTI {shop} {city}", "VISA ELECTRON OSTO {shop}", "Korttiosto {card} {shop}",
            "OSTO {shop} {city}",
        ),
        "it": (
            "PAGAMENTO POS {shop} {city}", "PAGOBANCOMAT {shop}", "Pagamento carta {card} {shop}",
            "ACQUISTO CARTA {shop}", "ADDEBITO CARTA {shop}",
        ),
        "es": (
            "COMPRA TARJETA {card} {shop}", "PAGO CON TARJETA {shop} {city}", "TPV {shop}", "COMPRA EN {shop}",
            "Pago tarjeta débito {shop}",
        ),
        "sv": ("KORTKÖP {shop} {city}", "Kortköp {date} {shop}", "Köp {shop} kort {card}", "KONTAKTLÖST {shop}"),
        "zh": (
            "消费 {shop}", "POS消费 {shop}", "刷卡消费 {shop}", "快捷支付 {shop}", "扫码支付 {shop}",
            "银联消费 {shop}", "信用卡消费", "網上消費 {shop}", "二维码消费 {shop}",
        ),
    },
    "cash_withdrawal": {
        "en": (
            "ATM WITHDRAWAL {city}", "CASH WITHDRAWAL", "ATM {city} {card}", "Cash machine {city}",
            "CASH ADVANCE {card}", "Counter withdrawal", "CASHPOINT {city} {date}", "Withdrawal at branch",
            "Cash dispensed",
        ),
        "de": (
            "BARGELDAUSZAHLUNG {city}", "GELDAUTOMAT {city}", "GA NR{ref} {city}", "BARAUSZAHLUNG",
            "Bargeldbezug {city}", "Bancomat-Bezug {city} {card}", "Auszahlung GAA {city}", "BARGELDAUTOMAT {city}",
            "Barbezug Schalter", "Postomat-Bezug",
        ),
        "fr": (
            "RETRAIT DAB {city}", "RETRAIT GAB {card} {city}", "RETRAIT D'ESPECES", "Retrait distributeur {city}",
            "RETRAIT GUICHET", "GAB {city}",
        ),
        "nl": (
            "GELDAUTOMAAT {city}", "GEA {city} {card}", "Geldopname {city}", "Contante opname", "Kasopname",
            "GELDOPNEMING",
        ),
        "fi": ("KÄTEISNOSTO {city}", "OTTO. {city}", "AUTOMAATTINOSTO {city}", "Nosto {city}", "Käteisotto"),
        "it": (
            "PRELIEVO BANCOMAT {city}", "PRELIEVO ATM {city}", "PRELEVAMENTO {card}", "Prelievo contante",
            "PRELIEVO SPORTELLO",
        ),
        "es": (
            "REINTEGRO CAJERO {city}", "DISPOSICION EFECTIVO {city}", "RETIRADA EFECTIVO CAJERO",
            "REINTEGRO EN OFICINA", "Retirada de efectivo",
        ),
        "sv": ("UTTAG BANKOMAT {city}", "Kontantuttag {city}", "Bankomat {city} {card}", "Uttag kassa"),
        "zh": (
            "ATM取款", "取现", "柜台取现", "现金支取", "自动取款机取款 {city}", "取款", "提款", "櫃員機提款", "卡取",
            "他行ATM取款", "现金取款",
        ),
    },
    "cash_deposit": {
        "en": (
            "CASH DEPOSIT", "Cash paid in at {city}", "COUNTER CREDIT", "Deposit {city} branch", "ATM DEPOSIT {city}",
            "NIGHT SAFE DEPOSIT", "Branch deposit {ref}", "DEPOSIT", "Coin and notes deposit", "Cash pick-up credit",
            "Over the counter deposit",
        ),
        "de": (
            "BAREINZAHLUNG", "EINZAHLUNG {city}", "Bareinzahlung am Automaten", "SB-EINZAHLUNG", "Einzahlung Schalter",
            "NACHTTRESOR", "Einzahlung Bargeld", "EINZAHLUNG POSTSCHALTER", "Münzgeldeinzahlung",
        ),
        "fr": (
            "VERSEMENT ESPECES", "DEPOT D'ESPECES {city}", "VERSEMENT AUTOMATE", "Versement guichet", "REMISE ESPECES",
            "Dépôt cash",
        ),
        "nl": (
            "STORTING", "Contante storting", "SEALBAG STORTING", "Storting geldautomaat {city}", "AFSTORTING",
            "KASSTORTING {city}",
        ),
        "fi": ("KÄTEISPANO", "TALLETUS {city}", "Käteistalletus", "TALLETUSAUTOMAATTI", "Yösäilö talletus"),
        "it": (
            "VERSAMENTO CONTANTI", "VERSAMENTO {city}", "VERSAMENTO CASSA CONTINUA", "Versamento ATM evoluto",
            "VERS. CONTANTE",
        ),
        "es": (
            "INGRESO EFECTIVO", "INGRESO EN CAJERO {city}", "INGRESO EN EFECTIVO OFICINA", "Entrega en efectivo",
            "INGRESO CAJERO",
        ),
        "sv": ("KONTANTINSÄTTNING", "Insättning automat {city}", "Dagskassa insättning", "SERVICEBOX"),
        "zh": (
            "现金存款", "存现", "ATM存款", "柜台存款", "现金存入", "存款", "無卡存款", "現金存款", "现金缴存",
            "自助存款",
        ),
    },
    "cheque": {
        "en": (
            "CHEQUE {ref}", "CHQ {ref}", "Cheque paid {ref}", "CHEQUE DEPOSIT", "CHECK # {ref}", "Cheque paid in",
            "CHQ DEPOSIT {city}", "Bankers draft", "Cheque clearing", "Circular cheque", "Check collection",
        ),
        "de": (
            "SCHECK-NR. {num}", "AUSLANDSSCHECK", "INH.SCHECK", "SCHECKEINREICHUNG", "SCHECK {ref}", "Scheckeinzug",
            "SCHECKBELASTUNG", "Verrechnungsscheck", "SCHECKGUTSCHRIFT E.V.",
        ),
        "fr": (
            "CHEQUE N {ref}", "REMISE CHEQUES", "CHQ {ref}", "REMISE DE CHEQUE {ref}", "Encaissement chèque",
            "Chèque émis {ref}",
        ),
        "nl": ("CHEQUE {ref}", "Inning cheque", "Cheque-incasso", "Bankcheque"),
        "fi": ("SHEKKI {ref}", "Shekin lunastus", "SEKKI", "Pankkivekseli"),
        "it": (
            "ASSEGNO N. {ref}", "VERSAMENTO ASSEGNI", "ASSEGNO BANCARIO", "ASSEGNO CIRCOLARE", "Negoziazione assegni",
        ),
        "es": ("CHEQUE {ref}", "PAGO CHEQUE", "INGRESO CHEQUES", "TALON {ref}", "COMPENSACION CHEQUES"),
        "sv": ("CHECK {ref}", "Checkinlösen", "Bankväxel"),
        "zh": ("支票", "转账支票", "支票存入", "现金支票", "支票兑付", "票據兌現", "託收票據", "本票", "支票號碼{ref}"),
    },
    "fee": {
        "en": (
            "BANK CHARGES", "ACCOUNT FEE", "Monthly service fee", "Maintenance charge", "COMMISSION", "WIRE FEE",
            "Overdraft fee", "Card annual fee", "Transaction charges {month}", "SERVICE CHARGE",
            "Foreign transaction fee", "Statement fee", "Charges for {ref}", "Account analysis fee", "Handling fee",
            "Charge for paper statements", "Price of counter deposits {month}", "Fee for returned items",
            "Payment processing charges",
        ),
        "de": (
            "Rechnungsabschluss Entgelte", "KONTOFÜHRUNGSGEBÜHR", "ENTGELT", "ENTGELTABSCHLUSS",
            "Kontoführungsentgelt {month}", "Kontoauszug Papierversand", "Preis Bareinzahlungen am Schalter",
            "Nachbearbeitung Belege {month}", "Gebühr Rückweisung", "Entgelt für Buchungen {month}",
            "Preise Zahlungsverkehr Vormonat", "Gebühren", "SPESEN", "PROVISION", "Buchungsposten-Entgelt",
            "Kartengebühr", "Spesenbelastung", "Dienstleistungspreise", "PORTO UND SPESEN", "Bankspesen",
            "Entgelt Auslandsüberweisung", "Preis für Kontoführung",
        ),
        "fr": (
            "FRAIS BANCAIRES", "FRAIS DE TENUE DE COMPTE", "Prix versements au guichet {month}", "Frais relevé papier",
            "COMMISSION D'INTERVENTION", "COTISATION CARTE", "Commissions", "FRAIS VIREMENT",
            "ABONNEMENT BANQUE EN LIGNE", "Frais de gestion", "Arrêté de compte frais",
        ),
        "nl": (
            "Afrekening betaalrekening {month}", "Kosten rekening incl. betaalpas", "Tarieven betalingsverkeer",
            "KOSTEN BETALINGSVERKEER", "BANKKOSTEN", "Kosten zakelijk betalen", "PAKKETKOSTEN", "Provisie",
            "Abonnement bankpas", "Beheerskosten", "Transactiekosten {month}",
        ),
        "fi": (
            "PALVELUMAKSU", "Palvelumaksut {month}", "TILINHOITOMAKSU", "PANKIN PALKKIO", "Toimitusmaksu",
            "Korttimaksu vuosimaksu",
        ),
        "it": (
            "COMMISSIONI", "SPESE TENUTA CONTO", "CANONE CONTO", "COMM. BONIFICO", "COMPETENZE DI CHIUSURA SPESE",
            "CANONE CARTA", "Spese invio estratto",
        ),
        "es": (
            "COMISION MANTENIMIENTO", "COMISIONES", "GASTOS CORREO", "COMISION TRANSFERENCIA", "CUOTA TARJETA",
            "GASTOS BANCARIOS", "Comisión de administración",
        ),
        "sv": ("BANKAVGIFT", "Avgift", "Årsavgift kort", "Serviceavgift", "Prisavgift betaltjänst"),
        "zh": (
            "手续费", "转账手续费", "账户管理费", "短信服务费", "年费", "工本费", "服务费", "汇款手续费",
            "小额账户管理费", "手續費", "電匯費", "网银服务费",
        ),
    },
    "interest": {
        "en": (
            "INTEREST PAID", "CREDIT INTEREST", "Interest earned {month}", "INTEREST CHARGED", "Debit interest",
            "GROSS INTEREST", "Overdraft interest", "Interest {month} {year}", "Loan interest", "Deposit interest",
            "INT. CAPITALISED", "Interest payment",
        ),
        "de": (
            "ZINSEN", "HABENZINSEN", "ZINSGUTSCHRIFT", "SOLLZINSEN", "Zinsabschluss {month}", "Abrechnung Zinsen",
            "ZINSEN/ENTGELT", "Überziehungszinsen", "Zinsertrag",
        ),
        "fr": (
            "INTERETS CREDITEURS", "INTERETS", "AGIOS", "Intérêts débiteurs", "INTERETS LIVRET",
            "Arrêté intérêts {month}",
        ),
        "nl": ("RENTE", "CREDITRENTE", "Debetrente", "Renteafrekening {month}", "Rente spaarrekening", "Intresten"),
        "fi": ("KORKO", "TALLETUSKORKO", "Hyvityskorko", "VELKAKORKO", "Koron maksu", "Luottokorko"),
        "it": ("INTERESSI CREDITORI", "INTERESSI", "INTERESSI DEBITORI", "Competenze interessi", "INTERESSI ATTIVI"),
        "es": (
            "INTERESES", "LIQUIDACION INTERESES", "ABONO INTERESES", "INTERESES DEUDORES",
            "Liquidación de cuenta intereses",
        ),
        "sv": ("RÄNTA", "KREDITRÄNTA", "Inlåningsränta", "Skuldränta", "Kapitaliserad ränta"),
        "zh": (
            "利息", "结息", "存款利息", "利息收入", "贷款利息", "活期结息", "透支利息", "批量结息", "存款結息",
            "利息支出",
        ),
    },
    "salary": {
        "en": (
            "SALARY", "PAYROLL", "WAGES {month}", "Salary {month} {year}", "Net pay {month}", "PAYROLL DIRECT DEPOSIT",
            "Salary payment batch", "Payroll credit",
        ),
        "de": (
            "LOHN/GEHALT", "GEHALT {month}", "LOHN {month} {year}", "Gehaltszahlung", "LOHN- UND GEHALTSZAHLUNG",
            "SALÄR {month}", "Bezüge {month}", "RENTE/GEHALT",
        ),
        "fr": (
            "SALAIRE {month}", "VIR SALAIRE", "VIREMENT SALAIRES", "Paie {month}", "TRAITEMENT {month}",
            "Rémunération {month}",
        ),
        "nl": ("SALARIS {month}", "LOON {month} {year}", "Salarisbetaling", "WEDDE", "Netto loon", "SALARIS"),
        "fi": ("PALKKA", "PALKKA {month}", "Palkanmaksu", "PALKKIO/PALKKA", "Toistuvaissuoritus palkka"),
        "it": (
            "STIPENDIO {month}", "EMOLUMENTI", "ACCREDITO STIPENDIO", "Competenze mese {month} stipendio", "SALARIO",
        ),
        "es": ("NOMINA {month}", "ABONO NOMINA", "NOMINA", "PAGO NOMINAS", "Nómina {month} {year}"),
        "sv": ("LÖN", "LÖN {month}", "Löneutbetalning", "Lön {month} {year}"),
        "zh": ("工资", "代发工资", "{month}工资", "薪资", "奖金", "批量代发工资", "薪金", "薪資轉帳", "工资性收入"),
    },
    "tax": {
        "en": (
            "TAX PAYMENT", "HMRC VAT", "VAT {month} {year}", "Corporation tax", "INCOME TAX", "TAX REFUND",
            "Withholding tax", "PAYE NIC", "Council tax", "Customs duty", "US TREASURY TAX PYMT",
        ),
        "de": (
            "FINANZAMT {city}", "UMSATZSTEUER {month}", "STEUER {ref}", "Lohnsteuer {month}", "KAPITALERTRAGSTEUER",
            "Gewerbesteuer", "Steuererstattung", "Einkommensteuer {year}", "Quellensteuer", "Mehrwertsteuer",
            "KFZ-STEUER", "HAUPTZOLLAMT",
        ),
        "fr": (
            "DGFIP IMPOT", "TVA {month}", "IMPOT SUR LE REVENU", "Impôts {year}", "TAXE FONCIERE",
            "REMBOURSEMENT IMPOT", "Prélèvement social URSSAF", "Précompte mobilier",
        ),
        "nl": (
            "BELASTINGDIENST", "BTW {month}", "Loonheffing", "Inkomstenbelasting {year}", "TERUGGAAF BELASTINGDIENST",
            "FOD Financiën", "Motorrijtuigenbelasting",
        ),
        "fi": (
            "VEROHALLINTO", "VERO {year}", "Veronpalautus", "ARVONLISÄVERO", "Ennakkovero", "Lähdevero",
            "KIINTEISTÖVERO",
        ),
        "it": (
            "F24 AGENZIA ENTRATE", "DELEGA F24", "IVA {month}", "IMPOSTA DI BOLLO", "RIMBORSO IMPOSTE",
            "Ritenuta fiscale", "IMU {year}",
        ),
        "es": (
            "AEAT IMPUESTO", "PAGO IMPUESTOS", "IVA TRIMESTRE", "IRPF {year}", "DEVOLUCION HACIENDA",
            "Retención fiscal", "Seguros sociales TGSS",
        ),
        "sv": ("SKATTEVERKET", "Skatt {year}", "MOMS {month}", "Preliminärskatt", "Skatteåterbäring"),
        "zh": (
            "税款", "缴税", "增值税", "企业所得税", "代扣税", "实时缴税", "个人所得税", "印花税", "財政稅款", "利息税",
            "国库退税", "税务局扣款",
        ),
    },
    "return": {
        "en": (
            "RETURNED PAYMENT", "PAYMENT RETURN {code}", "REJECTED TRANSFER", "Unpaid direct debit", "REVERSAL",
            "Return of funds", "ACH return", "ACH credit reject", "Refused by beneficiary bank",
            "Returned: account closed", "RETURNED UNPAID {code}", "Reversal of entry {ref}", "Recalled payment",
            "Insufficient funds return", "Cancellation of transfer", "Chargeback", "Bounced cheque",
            "Credit payment return",
        ),
        "de": (
            "RÜCKLASTSCHRIFT {code}", "RETOURE", "RÜCKÜBERWEISUNG", "RÜCKBELASTUNG LASTSCHRIFT",
            "Rückbelastung Widerspruch {code}", "Gutschrift Retouren", "STORNO", "Rückgabe mangels Deckung",
            "RUECKBUCHUNG", "Konto erloschen {code}", "RÜCKSCHECK", "Retourenhülle", "Storno Buchung {ref}",
            "Rückzahlung nicht ausführbar", "Rückruf Überweisung", "Rückweisung", "STORNO LASTSCHRIFT",
            "Retour Zahlung",
        ),
        "fr": (
            "REJET PRELEVEMENT {code}", "VIREMENT REJETE", "RETOUR VIREMENT", "IMPAYE", "ANNULATION", "CHEQUE IMPAYE",
            "Extourne", "Contre-passation", "REJET VIR {code}",
        ),
        "nl": (
            "STORNO INCASSO", "STORNERING {code}", "RETOURBETALING", "Terugboeking", "Retour overboeking",
            "Geweigerde opdracht", "Teruggekeerde betaling",
        ),
        "fi": (
            "PALAUTUS {code}", "MAKSUN PALAUTUS", "Hylätty maksu", "Oikaisu", "Korjaus", "Peruutus",
            "PALAUTETTU TILISIIRTO",
        ),
        "it": (
            "STORNO", "INSOLUTO", "BONIFICO RESTITUITO {code}", "STORNO ADDEBITO", "RICHIAMO", "RIACCREDITO BONIFICO",
            "SDD INSOLUTO {code}",
        ),
        "es": (
            "DEVOLUCION", "DEVOLUCION RECIBO {code}", "TRANSFERENCIA DEVUELTA", "IMPAGADO", "ANULACION", "RETROCESION",
            "Devolución adeudo",
        ),
        "sv": ("RETUR", "Återbetald betalning", "Avvisad betalning {code}", "RÄTTELSE", "Makulering", "Återföring"),
        "zh": (
            "退汇", "退款", "冲正", "退票", "汇款退回", "转账失败退回", "交易撤销", "来账退汇", "退回款項", "冲账",
            "账号户名不符退回",
        ),
    },
    "other": {
        "en": (
            "FX SPOT {ref}", "Foreign exchange deal", "SECURITIES PURCHASE {ref}", "DIVIDEND {name}",
            "LOAN REPAYMENT {ref}", "Loan drawdown", "FIXED TERM DEPOSIT", "Money market placement",
            "CASH POOLING SWEEP", "Zero balancing", "Letter of credit {ref}", "Coupon payment", "Adjustment",
            "Margin call", "ACCOUNT OPENING TRANSFER", "Funds redemption",
        ),
        "de": (
            "WERTPAPIERE", "WERTPAPIERKAUF {ref}", "DIVIDENDE {name}", "DARLEHEN {ref} TILGUNG", "FESTGELDANLAGE",
            "DEVISENKASSAGESCHÄFT", "CASH-POOLING ÜBERTRAG", "KREDITRATE", "Saldenausgleich", "Börsenabrechnung",
            "Akkreditiv {ref}", "Termingeld Fälligkeit",
        ),
        "fr": (
            "ACHAT TITRES {ref}", "DIVIDENDE", "ECHEANCE PRET {ref}", "CHANGE COMPTANT", "NIVELLEMENT",
            "PLACEMENT A TERME", "Souscription OPCVM", "Crédit documentaire",
        ),
        "nl": (
            "EFFECTENTRANSACTIE", "DIVIDEND {name}", "AFLOSSING LENING {ref}", "VALUTATRANSACTIE", "SALDOCOMPENSATIE",
            "Deposito", "Hypotheektermijn",
        ),
        "fi": (
            "ARVOPAPERIKAUPPA", "OSINKO {name}", "LAINAN LYHENNYS", "VALUUTTAKAUPPA", "KONSERNITILIN SIIRTO",
            "Määräaikaistalletus",
        ),
        "it": (
            "COMPRAVENDITA TITOLI", "DIVIDENDI", "RATA MUTUO {ref}", "CAMBIO DIVISA", "Rata finanziamento",
            "GIRO CASH POOLING",
        ),
        "es": (
            "COMPRA VALORES", "DIVIDENDO", "CUOTA PRESTAMO {ref}", "CAMBIO DIVISA", "IMPOSICION A PLAZO",
            "BARRIDO DE SALDOS",
        ),
        "sv": ("VÄRDEPAPPERSKÖP", "Utdelning {name}", "LÅN AMORTERING", "VALUTAVÄXLING", "Koncernkonto"),
        "zh": (
            "购汇", "结汇", "理财申购", "理财赎回", "贷款还款", "贷款发放", "基金申购", "股息", "证券转银行",
            "资金归集", "定期存款", "保证金", "信用证押汇", "外匯買賣",
        ),
    },
}  # fmt: skip
