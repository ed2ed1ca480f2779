// Asks for the access token, once, when the collector wants one.

import { setToken } from "./ask";
import { h } from "./dom";
import { t } from "./text";

let asking: HTMLDialogElement | null = null;

/** `wrong`: the one that was given is not it. Calls `given` when there is another one to try. */
export function askToken(wrong: boolean, given: () => void): void {
    if (asking !== null) return;
    const input = h("input", { id: "token", type: "password", autocomplete: "off", required: true, autofocus: true });
    const send = (event: Event) => {
        event.preventDefault();
        if (input.value.trim() === "") return;
        setToken(input.value.trim());
        dialog.close();
    };
    const dialog = h(
        "dialog",
        { class: "token", "aria-labelledby": "token-title", "data-token": wrong ? "wrong" : "needed" },
        h(
            "form",
            { submit: send },
            h("h2", { id: "token-title" }, t().tokenTitle),
            h("p", {}, t().tokenWhy),
            h("label", { for: "token" }, t().tokenLabel),
            input,
            wrong && h("p", { class: "error", role: "alert" }, t().tokenWrong),
            h("button", { type: "submit" }, t().tokenSend),
        ),
    );
    asking = dialog;
    // Without a token there is nothing to go back to.
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.addEventListener("close", () => {
        asking = null;
        dialog.remove();
        given();
    });
    document.body.append(dialog);
    dialog.showModal();
}
