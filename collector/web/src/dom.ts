// Elements without markup as text: nothing that the API says is ever parsed as HTML.

export type Child = Node | string | null | false | undefined;
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>;

const SVG = "http://www.w3.org/2000/svg";

function fill(element: Element, attributes: Attributes, children: Child[]): void {
    for (const [name, value] of Object.entries(attributes)) {
        if (typeof value === "function") element.addEventListener(name, value);
        else if (value === true) element.setAttribute(name, "");
        else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
    }
    for (const child of children) if (child) element.append(child);
}

/** `h("button", { class: "x", click: () => .. }, "text")`: a function is a listener. */
export function h<K extends keyof HTMLElementTagNameMap>(
    tag: K,
    attributes: Attributes = {},
    ...children: Child[]
): HTMLElementTagNameMap[K] {
    const element = document.createElement(tag);
    fill(element, attributes, children);
    return element;
}

export function svg(tag: string, attributes: Attributes = {}, ...children: Child[]): SVGElement {
    const element = document.createElementNS(SVG, tag);
    fill(element, attributes, children);
    return element;
}

/** Replaces what is inside; keeps the focus, open details and the scroll of elements that have the same `data-key`. */
export function replace(container: Element, ...children: Child[]): void {
    const active = document.activeElement;
    const focused = active !== null && container.contains(active) ? active.getAttribute("data-key") : null;
    const opened = new Map<string, boolean>();
    for (const details of container.querySelectorAll<HTMLDetailsElement>("details[data-key]")) {
        opened.set(details.dataset["key"] ?? "", details.open);
    }
    const scroll = container.scrollTop;
    container.replaceChildren(...children.filter((child): child is Node | string => Boolean(child)));
    for (const details of container.querySelectorAll<HTMLDetailsElement>("details[data-key]")) {
        details.open = opened.get(details.dataset["key"] ?? "") ?? details.open;
    }
    container.scrollTop = scroll;
    if (focused !== null) {
        container.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    }
}
