// Has an authenticator make a key. That it has the private one, it shows by signing on the next page.
import { onSubmit } from "./webauthn.js";

const EDDSA = -8;
const ES256 = -7;

const form = document.getElementById("enrol");
if (form !== null) {
  onSubmit(form, async (fields) => {
    const { rp, user, name } = form.dataset;
    const { response } = await navigator.credentials.create({
      publicKey: {
        // Nothing is attested, so nothing is signed here: any bytes do.
        challenge: crypto.getRandomValues(new Uint8Array(32)),
        rp: { id: rp, name: "Sealstream" },
        user: { id: new TextEncoder().encode(user), name, displayName: name },
        pubKeyCredParams: [ES256, EDDSA].map((alg) => ({ type: "public-key", alg })),
        authenticatorSelection: { residentKey: "required", userVerification: "required" },
        attestation: "none",
      },
    });
    const text = btoa(String.fromCharCode(...new Uint8Array(response.getPublicKey())));
    fields.public_key.value = `-----BEGIN PUBLIC KEY-----\n${text}\n-----END PUBLIC KEY-----\n`;
  });
}
