package dev.wrenn.cli;

import com.fasterxml.jackson.annotation.JsonProperty;

/**
 * What the doctor found out about one thing.
 *
 * @param name the thing, a word for programs
 * @param verdict whether Wrenn can work with it
 * @param text what was found
 * @param remedy what to do; empty if nothing
 */
record Finding(String name, Verdict verdict, String text, String remedy) {
    /** Whether Wrenn can work. */
    enum Verdict {
        /** As it should be. */
        @JsonProperty("ok")
        OK,
        /** Wrenn works, but not at its best. */
        @JsonProperty("note")
        NOTE,
        /** Wrenn does not work. */
        @JsonProperty("failed")
        FAILED
    }

    static Finding ok(String name, String text) {
        return new Finding(name, Verdict.OK, text, "");
    }

    static Finding note(String name, String text, String remedy) {
        return new Finding(name, Verdict.NOTE, text, remedy);
    }

    static Finding failed(String name, String text, String remedy) {
        return new Finding(name, Verdict.FAILED, text, remedy);
    }

    String line() {
        var mark =
                switch (verdict) {
                    case OK -> "ok  ";
                    case NOTE -> "note";
                    case FAILED -> "FAIL";
                };
        var line = "%s  %-12s %s".formatted(mark, name, text);
        return remedy.isEmpty() ? line : line + "\n                    -> " + remedy;
    }
}
