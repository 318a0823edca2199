// Shows 大写 and the thousands below an amount while it is typed, so that a zero too many is seen at once.
const DIGITS = "零壹贰叁肆伍陆柒捌玖";
const PLACES = ["", "拾", "佰", "仟"];
const GROUPS = ["", "万", "亿", "万"]; // the fourth is 万 of 亿

/** `10010.05` → `壹万零壹拾元零伍分`; null when it is no amount. Whole numbers throughout, by text. */
export function uppercase(text) {
  const plain = text.replace(/[,，\s]/g, "");
  const match = /^(\d{1,15})(?:\.(\d{1,2}))?$/.exec(plain);
  if (!match) return null;
  const yuan = match[1].replace(/^0+(?=\d)/, "");
  const [jiao, fen] = (match[2] ?? "").padEnd(2, "0");
  const whole = yuan === "0" ? "" : wholeInWords(yuan) + "元";
  if (jiao === "0" && fen === "0") return (whole || "零元") + "整";
  const tenths = jiao === "0" ? (whole ? "零" : "") : DIGITS[jiao] + "角";
  return whole + tenths + (fen === "0" ? "" : DIGITS[fen] + "分");
}

// A zero is said before a group whose thousands are missing and between digits of a group; where the rules for
// bills leave it open (万位 is 0 and 千位 is not), it is left out, as the server's filter does.
function wholeInWords(digits) {
  const groups = Math.ceil(digits.length / 4);
  const padded = digits.padStart(groups * 4, "0");
  let words = "";
  for (let group = 0; group < groups; group += 1) {
    const rank = groups - 1 - group;
    const said = fourInWords(padded.slice(group * 4, group * 4 + 4), words !== "");
    if (said || (rank === 2 && words)) words += said + GROUPS[rank];
  }
  return words;
}

function fourInWords(four, follows) {
  let said = "";
  for (let place = 0; place < 4; place += 1) {
    if (four[place] === "0") continue;
    const zeroBefore = place > 0 && four[place - 1] === "0" && (said !== "" || follows);
    said += (zeroBefore ? "零" : "") + DIGITS[four[place]] + PLACES[3 - place];
  }
  return said;
}

export default function start(element) {
  const words = document.createElement("p");
  words.className = "field-uppercase";
  words.lang = "zh-CN";
  words.setAttribute("aria-live", "polite");
  (element.closest(".affixed") ?? element).after(words);
  const show = () => {
    const said = element.value && uppercase(element.value);
    const [yuan, rest] = element.value.replace(/[,，\s]/g, "").split(".");
    words.textContent = said ? `${yuan.replace(/^0+(?=\d)/, "").replace(/\B(?=(\d{3})+$)/g, ",")}${rest ? `.${rest}` : ""} · ${said}` : "";
  };
  element.addEventListener("input", show);
  show();
}
