package dev.wrenn.control.socket;

import java.util.Base64;

/** Tells every chunk as it is, in base64 of its own. */
final class Base64Output implements Output {
    @Override
    public String decode(byte[] chunk) {
        return Base64.getEncoder().encodeToString(chunk);
    }

    @Override
    public String end() {
        return "";
    }
}
