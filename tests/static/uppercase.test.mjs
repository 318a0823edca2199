import assert from "node:assert/strict";
import { test } from "node:test";
import { uppercase } from "../../app/static/parts/uppercase.js";

// What the server's filter writes for the same amounts (tests/app/test_pages.py compares them one by one).
export const WORDS = {
  "10010.05": "壹万零壹拾元零伍分", "0": "零元整", "100": "壹佰元整", "0.5": "伍角", "0.05": "伍分", "1.2": "壹元贰角",
  "1234567890123.45": "壹万贰仟叁佰肆拾伍亿陆仟柒佰捌拾玖万零壹佰贰拾叁元肆角伍分", "100000000": "壹亿元整", "100010000": "壹亿零壹万元整",
  "20003000": "贰仟万叁仟元整", "1001": "壹仟零壹元整", "110": "壹佰壹拾元整", "1010.10": "壹仟零壹拾元壹角",
};

for (const [text, words] of Object.entries(WORDS)) {
  test(`${text} is ${words}`, () => assert.equal(uppercase(text), words));
}

for (const text of ["", "-1", "1.234", "12a", "1.", "１２", "1234567890123456"]) {
  test(`“${text}” is no amount`, () => assert.equal(uppercase(text), null));
}

test("commas and spaces are let through", () => assert.equal(uppercase(" 1,234，5 "), uppercase("12345")));
