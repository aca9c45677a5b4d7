/** A written message to the model. */

/**
 * @param {HTMLFormElement} form
 * @param {(text: string) => void} onMessage
 */
export function MessageForm(form, onMessage) {
  const input = /** @type {HTMLInputElement} */ (form.querySelector("#message-input"));
  const send = /** @type {HTMLButtonElement} */ (form.querySelector("#message-send"));

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input.value.trim();
    if (!text || input.disabled) return;
    onMessage(text);
    input.value = "";
  });

  return {
    /** @param {boolean} open */
    update(open) {
      input.disabled = send.disabled = !open;
      input.placeholder = open ? "Write a message" : "Connect to write a message";
    },
  };
}
