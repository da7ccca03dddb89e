"""Security headers of pages."""

#: For a page that loads nothing.
STRICT_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page_headers(policy: str = STRICT_POLICY) -> dict[str, str]:
    """Return a page's security headers; ``policy`` says what it loads, and from where.

    In addition no page may frame it, and no markup may change its base or send its forms elsewhere.
    """
    always = "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    return {
        "content-security-policy": f"{policy}; {always}",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), usb=()",
    }
