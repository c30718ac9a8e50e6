// Signs the statement that the page shows: its digest is made here, so that it is what is signed.
import { encode, onSubmit } from "./webauthn.js";

const digest = async (text) => crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
const hex = (buffer) => [...new Uint8Array(buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

// A text that is shown beside the statement is the one whose digest the statement names.
const seeSubject = async (statement) => {
  const shown = document.getElementById("subject-text");
  if (shown === null) return;
  const found = hex(await digest(JSON.parse(shown.dataset.before) + shown.textContent));
  const named = JSON.parse(statement.slice(statement.indexOf("\n{") + 1)).digest;
  if (found !== named) throw new DOMException("another text", "Digest");
};

const form = document.getElementById("sign");
onSubmit(form, async (fields) => {
  const statement = document.getElementById("statement").textContent;
  await seeSubject(statement);
  const { response } = await navigator.credentials.get({
    publicKey: { challenge: await digest(statement), rpId: form.dataset.rp, userVerification: "required" },
  });
  fields.assertion.value = JSON.stringify({
    authenticator_data: encode(response.authenticatorData),
    client_data: encode(response.clientDataJSON),
    signature: encode(response.signature),
  });
});
