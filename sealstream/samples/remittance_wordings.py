"""What payers write into a payment, by kind and language, and the words that fill the gaps.

Banks' words are in `bank_wordings`. Written for this project; no line was copied from a real statement. A word in
braces is filled in by `narratives`.
"""

from collections.abc import Mapping

_TRADE: Mapping[str, tuple[str, ...]] = {
    "en": (
        "Invoice {ref}", "INV {ref} dated {date}", "Order {ref}", "Rent {month} {year}", "Your ref {ref}",
        "Contract {ref}", "Customer no {num}", "Payment for services {month}", "Inv. {ref}, {ref}",
        "Deposit for booking {num}", "membership {year}", "Gift", "Refund of expenses trip {city}",
        "Goods delivered {date}", "Policy {num}", "Account {num}",
    ),
    "de": (
        "Rechnung {ref}", "RE-NR. {ref} VOM {date}", "Rg.Nr. {ref} Kd.Nr. {num}", "Miete {month} {year}",
        "Bestellung {ref}", "KD-NR {num}", "Vertrag {ref}", "Spende", "Mitgliedsbeitrag {year}", "Abschlag {month}",
        "Nebenkosten {year}", "Vielen Dank", "Auftrag {ref}", "RNR {ref} ABZGL SKONTO", "Aktenzeichen {ref}",
        "Geschenk",
    ),
    "fr": (
        "Facture {ref}", "FACT {ref} DU {date}", "Loyer {month} {year}", "Commande {ref}", "No client {num}",
        "Contrat {ref}", "Cotisation {year}", "Acompte {ref}", "Charges {month}", "Remboursement frais",
    ),
    "nl": (
        "Factuur {ref}", "FACTUURNR. {ref} D.D. {date}", "Huur {month} {year}", "Bestelling {ref}", "Klantnr {num}",
        "Contributie {year}", "Voorschot {month}", "Betalingskenmerk {num}", "Ordernr {ref}",
    ),
    "fi": (
        "Lasku {ref}", "LASKU NRO {ref}", "Vuokra {month} {year}", "Tilaus {ref}", "Viite {num}", "Jäsenmaksu {year}",
        "Asiakasnro {num}", "Vastike {month}", "Kiitos",
    ),
    "it": (
        "Fattura {ref}", "FT {ref} DEL {date}", "Affitto {month} {year}", "Saldo fattura {ref}", "Ordine {ref}",
        "Quota associativa {year}", "Acconto {ref}", "Cod. cliente {num}",
    ),
    "es": (
        "Factura {ref}", "FRA {ref} DE {date}", "Alquiler {month} {year}", "Pedido {ref}", "Cuota {month}",
        "Cliente {num}", "Anticipo {ref}", "Comunidad {month}",
    ),
    "sv": (
        "Faktura {ref}", "FAKTURANR {ref}", "Hyra {month} {year}", "Order {ref}", "OCR {num}", "Medlemsavgift {year}",
        "Kundnr {num}",
    ),
    "zh": (
        "货款", "{month}货款", "房租", "{month}房租", "往来款", "合同款 {ref}", "发票{num}", "订单{num}",
        "服务费合同{ref}", "借款", "还款", "采购款", "工程款", "押金", "學費", "贈與", "运费", "会费",
    ),
}  # fmt: skip
_BILLS: Mapping[str, tuple[str, ...]] = {
    "en": (
        "Electricity {month}", "Insurance premium {num}", "Mandate {ref}", "Mobile phone {num}",
        "Subscription {month}", "Gym membership", "Bill {ref}", "Creditor id {ref}", "Broadband {month}",
    ),
    "de": (
        "Strom Abschlag {month}", "Versicherungsbeitrag {num}", "Mandatsref {ref}", "Mobilfunk Rechnung {num}",
        "Abo {month}", "Gläubiger-ID {ref}", "Beitrag {month} {year}", "Rundfunkbeitrag",
    ),
    "fr": (
        "Electricité {month}", "Prime d'assurance {num}", "RUM {ref}", "Abonnement mobile {num}",
        "ICS {ref} MDT {ref}", "Echéance {month}", "Eau facture {ref}",
    ),
    "nl": (
        "Energie {month}", "Premie zorgverzekering {num}", "Machtiging {ref}", "Incassant ID {ref}",
        "Abonnement {month}", "Waterrekening {ref}", "Termijn {month}",
    ),
    "fi": ("Sähkölasku {month}", "Vakuutusmaksu {num}", "Valtuutus {ref}", "Puhelinlasku {num}", "Vesilasku {ref}"),
    "it": (
        "Luce {month}", "Premio polizza {num}", "Mandato {ref}", "Telefonia {num}", "Bolletta gas {ref}",
        "Cod. mandato {ref}",
    ),
    "es": (
        "Luz {month}", "Prima seguro {num}", "Mandato {ref}", "Teléfono {num}", "Agua {month}",
        "Cuota gimnasio {month}",
    ),
    "sv": ("El {month}", "Försäkring {num}", "Medgivande {ref}", "Mobil {num}", "Abonnemang {month}"),
    "zh": (
        "水费", "电费 {month}", "燃气费", "话费 {num}", "保险费", "物业费 {month}", "社保", "宽带费", "有线电视费",
        "信用卡还款",
    ),
}  # fmt: skip
_REGULAR: Mapping[str, tuple[str, ...]] = {
    "en": (
        "Rent", "RENT FLAT {num}", "Savings", "Monthly allowance", "Charity donation", "pocket money",
        "Maintenance {month}",
    ),
    "de": (
        "Miete", "MIETE WOHNUNG {num}", "Sparen", "Taschengeld", "Spende monatlich", "Unterhalt {month}",
        "Haushaltsgeld", "Garage",
    ),
    "fr": ("Loyer", "LOYER APPT {num}", "Epargne", "Argent de poche", "Don mensuel", "Pension alimentaire"),
    "nl": ("Huur", "HUUR WONING {num}", "Sparen", "Zakgeld", "Donatie", "Alimentatie"),
    "fi": ("Vuokra", "Säästö", "Viikkoraha", "Lahjoitus", "Vastike"),
    "it": ("Affitto", "Risparmio", "Paghetta", "Donazione", "Mantenimento"),
    "es": ("Alquiler", "Ahorro", "Paga", "Donativo", "Manutención"),
    "sv": ("Hyra", "Sparande", "Veckopeng", "Gåva", "Underhåll"),
    "zh": ("房租", "生活费", "零用钱", "捐款", "储蓄", "按揭", "家用"),
}  # fmt: skip
_PAY: Mapping[str, tuple[str, ...]] = {
    "en": ("Salary {month} {year}", "Payroll run {num}", "Staff {num}", "Wages week {num}", "Bonus {year}"),
    "de": (
        "Gehalt {month} {year}", "Pers.Nr. {num}", "Lohn {month}", "Bonus {year}", "Weihnachtsgeld",
        "Abrechnung {month} {year}",
    ),
    "fr": ("Salaire {month} {year}", "Matricule {num}", "Paie {month}", "Prime {year}"),
    "nl": ("Salaris {month} {year}", "Personeelsnr {num}", "Loon {month}", "Vakantiegeld {year}"),
    "fi": ("Palkka {month} {year}", "Palkanlaskenta {num}", "Lomaraha {year}"),
    "it": ("Stipendio {month} {year}", "Matr. {num}", "Tredicesima {year}"),
    "es": ("Nómina {month} {year}", "Empleado {num}", "Paga extra {year}"),
    "sv": ("Lön {month} {year}", "Anst nr {num}", "Bonus {year}"),
    "zh": ("{month}工资", "{year}年奖金", "代发{month}薪资", "绩效", "差旅报销"),
}  # fmt: skip
_TAXES: Mapping[str, tuple[str, ...]] = {
    "en": ("VAT {month} {year}", "Tax ref {num}", "Corporation tax {year}", "PAYE {num}", "Assessment {ref}"),
    "de": (
        "UST {month} {year}", "StNr {num}", "EST-VZ {year}", "Steuernummer {num}", "LSt {month}",
        "Kassenzeichen {num}",
    ),
    "fr": ("TVA {month}", "SIE {city}", "Avis {num}", "Impôt {year}"),
    "nl": ("BTW {month} {year}", "Aanslagnr {num}", "Loonheffingen {month}"),
    "fi": ("ALV {month}", "Ennakkovero {year}", "Veroviite {num}"),
    "it": ("IVA {month}", "Codice tributo {num}", "Acconto IRPEF {year}"),
    "es": ("Modelo 303 {year}", "IVA {month}", "NRC {ref}"),
    "sv": ("Moms {month}", "Skattekonto {num}", "Prel skatt {year}"),
    "zh": ("{month}增值税", "税票号{num}", "企业所得税{year}", "社保费", "电子缴税"),
}  # fmt: skip

REMITTANCE_WORDINGS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "credit_transfer_in": _TRADE,
    "credit_transfer_out": _TRADE,
    "direct_debit": _BILLS,
    "standing_order": _REGULAR,
    "cheque": _TRADE,
    "salary": _PAY,
    "tax": _TAXES,
    "return": _TRADE,
}

MONTHS: Mapping[str, tuple[str, ...]] = {
    "en": ("January", "February", "March", "APR", "May", "June", "JUL", "August", "Sept", "October", "NOV", "December"),
    "de": ("Januar", "Februar", "März", "April", "Mai", "JUNI", "Juli", "AUG", "September", "Okt.", "November", "DEZ"),
    "fr": (
        "janvier", "février", "mars", "AVRIL", "mai", "juin", "juillet", "août", "septembre", "oct.", "nov.",
        "décembre",
    ),
    "nl": (
        "januari", "februari", "maart", "april", "mei", "juni", "juli", "aug", "september", "okt", "november", "dec",
    ),
    "fi": (
        "tammikuu", "helmikuu", "maaliskuu", "huhtikuu", "toukokuu", "kesäkuu", "heinäkuu", "elokuu", "syyskuu",
        "lokakuu", "marraskuu", "joulukuu",
    ),
    "it": (
        "gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno", "luglio", "agosto", "settembre", "ottobre",
        "novembre", "dicembre",
    ),
    "es": (
        "enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre",
        "diciembre",
    ),
    "sv": (
        "januari", "februari", "mars", "april", "maj", "juni", "juli", "augusti", "september", "oktober", "november",
        "december",
    ),
    "zh": ("1月", "2月", "3月", "4月", "5月", "6月", "7月", "8月", "9月", "10月", "11月", "12月"),
}  # fmt: skip
SHOPS: Mapping[str, tuple[str, ...]] = {
    "en": (
        "GREENLEAF GROCERS", "CITY FUEL", "THE CORNER CAFE", "BOOKNOOK", "RAILWAY TICKETS", "HOTEL PARKVIEW",
        "STREAMBOX", "PHARMAPLUS",
    ),
    "de": (
        "FRISCHMARKT", "TANKSTELLE AM RING", "BAECKEREI KORNBLUME", "BAUMARKT NORD", "APOTHEKE AM MARKT",
        "GASTHOF LINDE", "BUCHLADEN", "BAHNTICKET",
    ),
    "fr": (
        "SUPERMARCHE DU PORT", "STATION A10", "BOULANGERIE DU COIN", "PHARMACIE CENTRALE", "LIBRAIRIE",
        "HOTEL DES ALPES", "PEAGE",
    ),
    "nl": ("SUPERMARKT DE HOEK", "TANKSTATION", "BAKKERIJ", "DROGIST", "BOEKHANDEL", "PARKEREN CENTRUM", "EETCAFE"),
    "fi": ("RUOKAKAUPPA", "HUOLTOASEMA", "APTEEKKI", "KAHVILA", "KIRJAKAUPPA", "RAUTAKAUPPA"),
    "it": ("SUPERMERCATO", "DISTRIBUTORE", "FARMACIA", "TRATTORIA", "LIBRERIA", "AUTOSTRADA"),
    "es": ("SUPERMERCADO", "GASOLINERA", "FARMACIA", "RESTAURANTE", "LIBRERIA", "AUTOPISTA"),
    "sv": ("LIVSMEDEL", "BENSINSTATION", "APOTEK", "KONDITORI", "BOKHANDEL", "BYGGVARUHUS"),
    "zh": ("便利店", "加油站", "超市", "餐厅", "书店", "药房", "地铁", "酒店", "网上商城", "外卖平台"),
}  # fmt: skip
CITIES: Mapping[str, tuple[str, ...]] = {
    "en": ("London", "LEEDS", "Bristol", "EDINBURGH", "Dublin", "MANCHESTER"),
    "de": ("BERLIN", "Hamburg", "MUENCHEN", "Köln", "Wien", "ZUERICH", "Bern"),
    "fr": ("PARIS", "Lyon", "NANTES", "Bruxelles", "GENEVE"),
    "nl": ("AMSTERDAM", "Utrecht", "ROTTERDAM", "Gent", "ANTWERPEN"),
    "fi": ("HELSINKI", "Tampere", "TURKU", "Oulu"),
    "it": ("MILANO", "Roma", "TORINO", "Bologna"),
    "es": ("MADRID", "Sevilla", "BILBAO", "Valencia"),
    "sv": ("STOCKHOLM", "Göteborg", "MALMÖ", "Uppsala"),
    "zh": ("上海", "北京", "深圳", "广州", "成都", "臺北", "香港"),
}

# Labels that banks and payment systems print before references and parties; they say little about the kind.
LABELS: tuple[str, ...] = (
    "IBAN {iban}", "IBAN: {iban} BIC: {bic}", "{bic} {iban}", "/CNTP/{iban}/{bic}/{name}", "{iban} {name}", "{words}",
    "{num} {words}", "EREF+{ref}", "KREF+{num}", "SVWZ+", "REF: {ref}", "Reference {ref}", "Client reference {ref}",
    "Clearing ref {num}", "Value date {date}", "Processed on {date}", "VERARBEITUNG VOM {date}", "Paket-ID {num}",
    "Kundennummer {num}", "Referenzen: NOTPROVIDED {num}", "Mitteilung: {words}", "/ROC/{ref}", "/REMI/{words}",
    "/OCMT/EUR{num},", "TXID {ref}", "Transaction id {num}", "Batch {num}", "Remittance info: {words}",
    "Motif: {words}", "Omschrijving: {words}", "Kenmerk {num}", "Viesti: {words}", "Causale: {words}",
    "Concepto: {words}", "UETR {ref}", "E2E {ref}", "message {words}", "附言:{words}", "摘要 {words}", "流水号{num}",
    "用途 {words}",
)  # fmt: skip
PARTY_LABELS_IN: tuple[str, ...] = (
    "From: {name}", "Ordering party: {name}", "Remitter {name}", "AUFTRAGGEBER: {name} {city}",
    "Donneur d'ordre {name}", "Van: {name}", "Maksaja {name}", "Ordinante {name}", "Debtor {name} {city}",
    "/ORDP/NAME/{name}", "付款人:{name}", "B/O {name}",
)  # fmt: skip
PARTY_LABELS_OUT: tuple[str, ...] = (
    "To: {name}", "Beneficiary: {name}", "Payee {name}", "EMPFÄNGER: {name} {city}", "Bénéficiaire {name}",
    "Naar: {name}", "Saaja {name}", "Beneficiario {name}", "Creditor {name} {city}", "/BENM/NAME/{name}",
    "收款人:{name}", "IFO {name}",
)  # fmt: skip
# Words of everyday payments. Free text is mostly words nobody listed beforehand: `narratives` mixes in invented ones.
FREE_WORDS: tuple[str, ...] = (
    "project", "phase", "consulting", "spare parts", "settlement", "agreement", "test", "sample", "shipment",
    "training", "workshop", "order", "delivery", "holiday", "wedding", "tickets", "furniture", "support", "licence",
    "quarter", "balance", "final", "partial", "advance", "shares", "school", "family", "thanks", "club", "repair",
    "garden", "car", "house", "trip", "materials", "equipment", "Projekt", "Beratung", "Lieferung", "Ersatzteile",
    "Urlaub", "Reparatur", "Schule", "Garten", "Teilbetrag", "Restzahlung", "Verein", "projet", "livraison", "travaux",
    "vacances", "cadeau", "solde", "école", "levering", "vakantie", "werkzaamheden", "restbedrag", "toimitus", "matka",
    "lahja", "korjaus", "consegna", "lavori", "viaggio", "saldo", "entrega", "obras", "viaje", "regalo", "leverans",
    "resa", "present", "项目", "设备", "材料", "旅游", "尾款", "定金", "培训", "咨询", "红包", "备用金",
)  # fmt: skip
SYLLABLES: tuple[str, ...] = (
    "ba", "be", "bri", "ca", "cho", "da", "del", "do", "er", "fa", "fen", "ga", "gri", "ha", "hol", "in", "ja", "ka",
    "ker", "la", "lin", "ma", "men", "mo", "na", "nor", "o", "pe", "pra", "ra", "rin", "sa", "sen", "ta", "ter", "tri",
    "u", "va", "ven", "vi", "wa", "zo",
)  # fmt: skip
