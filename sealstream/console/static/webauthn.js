// What the pages with an authenticator share: base64url, and saying what failed in the page's own words.

export const encode = (buffer) =>
  btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

export const failure = (name) => {
  const texts = [...document.querySelectorAll("#failures li")];
  const found = texts.find((each) => each.dataset.of === name) ?? texts.find((each) => each.dataset.of === "");
  const shown = document.getElementById("failed");
  shown.textContent = found.textContent;
  shown.hidden = false;
};

// Once `work` has filled in the form, it is sent as any other form.
export const onSubmit = (form, work) => {
  const button = document.getElementById("start");
  document.getElementById("scriptless").hidden = true;
  button.disabled = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await work(form.elements);
      form.submit();
    } catch (error) {
      failure(error.name);
      button.disabled = false;
    }
  });
};
