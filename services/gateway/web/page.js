// Shows /v1/totals. Amounts are exact: text to BigInt to text, never a float. Only true totals are
// shown: nothing is counted up to, rounded up or added across states or purposes.
"use strict";

const SOURCE = "/v1/totals?group_by=project";
const CATALOG = "/v1/projects";
const POLL_MS = 1000;
const CATALOG_MS = 60000;
const POLL_AWAY_MS_MAX = 10000;
const ANNOUNCE_MS = 30000;

const STATES = {
  claimed: ["已支付", "Claimed"],
  settled: ["已结算", "Settled"],
  received: ["已到账", "Received"],
  spent: ["已使用", "Spent"],
  refunded: ["已退款", "Refunded"],
  disputed: ["有争议", "Disputed"],
  suspense: ["待归属", "In suspense"],
};
const ABOUT = {
  settled: ["已列入平台账单", "On platforms' bills"],
  received: ["已进入慈善组织银行账户", "On charities' bank statements"],
  spent: ["慈善组织已报告用途", "Charities report its use"],
  refunded: ["已退还捐赠人", "Given back"],
  suspense: ["真实捐赠，尚待归属", "Real gifts, not yet attributed"],
  disputed: ["付款人或平台有异议", "Contested by payer or platform"],
};
const WORDS = {
  live: ["实时", "Live"],
  behind: ["正在追赶账本，数字可能稍旧", "Catching up with the ledger; numbers may be a little old"],
  away: ["连接中断，正在重试", "Connection lost, trying again"],
  loading: ["正在读取账本", "Loading the ledger"],
};

const $ = (id) => document.getElementById(id);

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function both([chinese, english]) {
  return [
    element("span", { lang: "zh", textContent: chinese }),
    element("span", { lang: "en", textContent: english }),
  ];
}

// Numbers.

const grouped = (whole) => whole.toString().replace(/\B(?=(\d{3})+$)/g, ",");

// ISO 4217's decimals where they are not two. A browser's own table follows local custom instead.
const PLACES = {
  BIF: 0, CLP: 0, DJF: 0, GNF: 0, ISK: 0, JPY: 0, KMF: 0, KRW: 0,
  PYG: 0, RWF: 0, UGX: 0, VND: 0, VUV: 0, XAF: 0, XOF: 0, XPF: 0,
  BHD: 3, IQD: 3, JOD: 3, KWD: 3, LYD: 3, OMR: 3, TND: 3,
};

// Micros (BigInt) as sign and whole units, and as the part below: the currency's places, and those
// beyond them that the amount needs.
function parts(currency, micros) {
  const size = micros < 0n ? -micros : micros;
  const below = (size % 1000000n).toString().padStart(6, "0").replace(/0+$/, "");
  const places = below.padEnd(PLACES[currency] ?? 2, "0");
  return [(micros < 0n ? "−" : "") + grouped(size / 1000000n), places && "." + places];
}

const text = (currency, micros) => parts(currency, micros).join("");

function amount(currency, micros) {
  const [whole, part] = parts(currency, micros);
  const made = element(
    "p",
    { className: "amount" },
    element("span", { className: "currency", textContent: currency }),
    whole,
    element("span", { className: "part", textContent: part }),
  );
  made.style.setProperty("--length", whole.length + part.length * 0.55 + 2);
  return made;
}

const currenciesFirst = (a, b) => (b === "CNY") - (a === "CNY") || (a < b ? -1 : a > b ? 1 : 0);

// What there is to show of each purpose, which are never added up: sums by state and currency, and
// by project and currency.

function arrange(rows) {
  const purposes = {};
  for (const purpose of ["charity", "appeal", "unattributed"]) {
    purposes[purpose] = { states: new Map(), projects: new Map() };
  }
  for (const row of rows) {
    const { states, projects } = purposes[row.purpose];
    const micros = BigInt(row.micros);
    const currencies = states.get(row.state) ?? states.set(row.state, new Map()).get(row.state);
    const sum = currencies.get(row.currency) ?? { micros: 0n, count: 0 };
    currencies.set(row.currency, { micros: sum.micros + micros, count: sum.count + row.count });
    const key = `${row.project} ${row.currency}`;
    const line = projects.get(key) ?? { project: row.project, currency: row.currency, states: {} };
    line.states[row.state] = { micros, count: row.count };
    projects.set(key, line);
  }
  return purposes;
}

// Drawing. What did not change is left alone.

const drawn = new Map();

function changed(key, value) {
  if (drawn.get(key) === value) return false;
  drawn.set(key, value);
  return true;
}

// id: of the element for the amounts; how many gifts they are comes into `${id}-gifts`. Returns the
// amounts in words if they changed.
function drawClaimed(id, states) {
  const known = [...(states.get("claimed") ?? [])].sort(([a], [b]) => currenciesFirst(a, b));
  const said = known.map(([currency, sum]) => `${currency} ${text(currency, sum.micros)}`).join(", ");
  const gifts = known.reduce((sum, [, { count }]) => sum + count, 0);
  if (!changed(id, `${said} ${gifts}`)) return null;
  const amounts = known.map(([currency, sum]) => amount(currency, sum.micros));
  $(id).replaceChildren(...(amounts.length ? amounts : [amount("CNY", 0n)]));
  const number = grouped(BigInt(gifts));
  $(`${id}-gifts`).replaceChildren(
    ...both([`${number} 笔捐赠`, `${number} ${gifts === 1 ? "gift" : "gifts"}`]),
  );
  return said;
}

// Charity's states, and suspense, which is nobody's yet.
function drawStates(charity, unattributed) {
  const tiles = Object.entries(ABOUT).map(([state, about]) => {
    const states = state === "suspense" ? unattributed : charity;
    const known = [...(states.get(state) ?? [])].sort(([a], [b]) => currenciesFirst(a, b));
    const amounts = known.map(([currency, sum]) => amount(currency, sum.micros));
    const none = element("p", { className: "amount none", textContent: "—" });
    return element(
      "div",
      {},
      element("dt", {}, ...both(STATES[state])),
      element("dd", {}, ...(amounts.length ? amounts : [none])),
      element("dd", { className: "about" }, ...both(about)),
    );
  });
  const key = tiles.map((tile) => tile.textContent).join("|");
  if (changed("states", key)) $("states").replaceChildren(...tiles);
}

const tableRows = { projects: new Map(), appeals: new Map() };

// id: of the table's body; its columns' heads are in `${id}-columns`. states: those that it shows.
function drawTable(id, first, projects, states) {
  const rowElements = tableRows[id];
  const columns = Object.keys(STATES).filter((state) => state === "claimed" || states.has(state));
  if (changed(`${id}-columns`, columns.join())) {
    rowElements.clear();
    $(id).replaceChildren();
    const heads = [first, ...columns.map((state) => STATES[state]), ["笔数", "Gifts"]];
    $(`${id}-columns`).replaceChildren(...heads.map((words) => header(words)));
  }
  const order = [...projects].sort(([, a], [, b]) =>
    (a.project === "") - (b.project === "") ||
    (a.project < b.project ? -1 : a.project > b.project ? 1 : currenciesFirst(a.currency, b.currency)),
  );
  for (const [key, row] of rowElements) {
    if (projects.has(key)) continue;
    row.remove();
    rowElements.delete(key);
    drawn.delete(`${id} ${key}`);
  }
  let place = null;
  for (const [key, line] of order) {
    const seen = rowElements.has(key);
    const signature = [
      nameOf(line.project),
      ...standing(line.project).flat(),
      ...columns.map((state) => describe(line.states[state])),
    ].join("|");
    let row = rowElements.get(key);
    if (changed(`${id} ${key}`, signature) || !seen) {
      const made = projectRow(line, columns, seen);
      if (seen) row.replaceWith(made);
      row = made;
      rowElements.set(key, row);
    }
    const next = place ? place.nextSibling : $(id).firstChild;
    if (next !== row) $(id).insertBefore(row, next);
    place = row;
  }
}

// Projects' names, and who answers for them.

let catalog = new Map();

const nameOf = (code) => catalog.get(code)?.name ?? code;

// Lines about a project in both languages: its charity with credit code and certificate, or the
// platform that organises an appeal.
function standing(code) {
  const project = catalog.get(code);
  if (!project) return [];
  const { charity, organiser } = project;
  const lines = [[code, code]];
  if (organiser) lines.push([`发起平台 ${organiser}`, `Organised on ${organiser}`]);
  if (!charity) return lines;
  const id = charity.unified_social_credit_code;
  lines.push([charity.name + (id ? `，统一社会信用代码 ${id}` : ""), charity.name + (id ? `, credit code ${id}` : "")]);
  const certificate = certificateNow(charity.certificates);
  if (certificate) {
    const { number, valid_until: until } = certificate;
    lines.push([`公开募捐资格证书 ${number}，有效期至 ${until}`, `Fundraising certificate ${number}, valid until ${until}`]);
  } else if (id) {
    lines.push(["目前无有效公开募捐资格证书", "No valid fundraising certificate now"]);
  }
  return lines;
}

// The certificate that is valid today in China, and of several the one that is so the longest.
function certificateNow(certificates) {
  const today = new Intl.DateTimeFormat("sv-SE", { timeZone: "Asia/Shanghai" }).format(new Date());
  const valid = certificates.filter((one) => one.valid_from <= today && today <= one.valid_until);
  return valid.sort((a, b) => (a.valid_until < b.valid_until ? 1 : -1))[0];
}

// Totals are shown without it, under the projects' codes.
async function readCatalog() {
  try {
    const found = new Map();
    for (let after = ""; after !== null; ) {
      const answer = await fetch(`${CATALOG}?after=${after}`, { signal: AbortSignal.timeout(5000) });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      const page = await answer.json();
      for (const project of page.projects) found.set(project.code, project);
      after = page.next;
    }
    catalog = found;
    shownTag = null;
    setTimeout(readCatalog, CATALOG_MS);
  } catch {
    setTimeout(readCatalog, POLL_AWAY_MS_MAX);
  }
}

const describe = (sum) => (sum ? `${sum.micros} ${sum.count}` : "");

function header(words) {
  const made = element("th", { scope: "col" }, ...both(words));
  made.setAttribute("role", "columnheader");
  return made;
}

function projectRow(line, columns, isUpdate) {
  const name = element("th", { scope: "row" });
  name.setAttribute("role", "rowheader");
  name.append(...(line.project ? [nameOf(line.project)] : both(["待归属", "Not yet attributed"])));
  name.append(element("span", { className: "currency", textContent: line.currency }));
  name.append(...standing(line.project).map((words) => element("span", { className: "standing" }, ...both(words))));
  const cells = columns.map((state) => {
    const sum = line.states[state];
    return cell(STATES[state], sum && text(line.currency, sum.micros), state === "claimed");
  });
  const gifts = (line.states.claimed ?? line.states.suspense)?.count ?? 0;
  cells.push(cell(["笔数", "Gifts"], grouped(BigInt(gifts)), false));
  const row = element("tr", { className: isUpdate ? "fresh" : "" }, name, ...cells);
  row.setAttribute("role", "row");
  return row;
}

function cell(label, value, isMain) {
  const words = element("span", { className: "label" }, ...both(label));
  const shown = value ?? element("span", { className: "none", textContent: "—" });
  const made = element("td", {}, words, shown);
  made.setAttribute("role", "cell");
  made.className = [isMain ? "main" : "", value === undefined ? "nothing" : ""].join(" ").trim();
  return made;
}

function drawAsOf(asOf) {
  const sequence = grouped(BigInt(asOf.sequence));
  if (asOf.sequence === 0) {
    $("as-of").replaceChildren(...both(["账本尚无分录", "The ledger has no entry yet"]));
  } else {
    $("as-of").replaceChildren(
      ...both([`截至第 ${sequence} 笔分录，`, `as of entry ${sequence}, `]), moment(asOf.time),
    );
  }
  $("complete-until").replaceChildren(
    ...(asOf.complete_until === null
      ? []
      : [
          ...both(["已作声明的平台数据齐全至 ", "complete until "]),
          moment(asOf.complete_until),
          ...both(["", " for the platforms that say so"]),
        ]),
  );
}

// A time in the reader's own zone, in both languages.
function moment(time) {
  const shown = { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZoneName: "short" };
  const words = ["zh-CN", "en-GB"].map((locale) => new Intl.DateTimeFormat(locale, shown).format(new Date(time)));
  return element("time", { dateTime: time, className: "nowrap" }, ...both(words));
}

function say(state) {
  if (!changed("status", state)) return;
  $("status").dataset.state = state;
  $("status-words").replaceChildren(...both(WORDS[state]));
}

// Screen readers hear of the total now and then, not every second.
let announcedAt = -ANNOUNCE_MS;
function announce(said) {
  if (performance.now() - announcedAt < ANNOUNCE_MS) return;
  announcedAt = performance.now();
  $("announcement").replaceChildren(...both([`慈善捐赠已支付 ${said}`, `Given to charity, claimed: ${said}`]));
}

// Asking.

let shownTag = null;
let failures = 0;
let timer = 0;

async function poll() {
  clearTimeout(timer);
  try {
    const answer = await fetch(SOURCE, { cache: "no-cache", signal: AbortSignal.timeout(5000) });
    if (answer.status === 503) {
      say(shownTag === null ? "loading" : "away");
      failures += 1;
    } else if (!answer.ok) {
      throw new Error(`HTTP ${answer.status}`);
    } else {
      draw(await answer.json(), answer.headers.get("ETag"));
      failures = 0;
    }
  } catch {
    say("away");
    failures += 1;
  }
  if (!document.hidden) {
    timer = setTimeout(poll, Math.min(POLL_MS * 2 ** Math.min(failures, 5), POLL_AWAY_MS_MAX));
  }
}

function draw(totals, tag) {
  say(totals.as_of.live ? "live" : "behind");
  if (tag !== null && tag === shownTag) return;
  shownTag = tag;
  const { charity, appeal, unattributed } = arrange(totals.rows);
  const said = drawClaimed("claimed", charity.states);
  if (said !== null) announce(said);
  drawStates(charity.states, unattributed.states);
  // The last line of charity's table is what is not attributed yet.
  const lines = new Map([...charity.projects, ...unattributed.projects]);
  const columns = new Set([...charity.states.keys(), ...unattributed.states.keys()]);
  drawTable("projects", ["项目", "Project"], lines, columns);
  $("empty").hidden = lines.size > 0;
  const hasAppeals = appeal.projects.size > 0;
  $("appeals-section").hidden = $("appeals-note").hidden = !hasAppeals;
  drawClaimed("appeals-claimed", appeal.states);
  drawTable("appeals", ["求助", "Appeal"], appeal.projects, new Set(appeal.states.keys()));
  drawAsOf(totals.as_of);
}

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) poll();
});

// Language: the reader's choice, or else the browser's.

function speak(language) {
  document.documentElement.lang = language;
  for (const button of document.querySelectorAll("[data-language]")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language));
    button.onclick = () => {
      remember(button.dataset.language);
      speak(button.dataset.language);
    };
  }
}

function remember(language) {
  try {
    localStorage.setItem("language", language);
  } catch {
    // A browser that keeps nothing asks the reader again next time.
  }
}

function remembered() {
  try {
    return localStorage.getItem("language");
  } catch {
    return null;
  }
}

speak(remembered() ?? (navigator.language.startsWith("zh") ? "zh" : "en"));
drawStates(new Map(), new Map());
readCatalog();
poll();
