package dev.wrenn.control.auth;

import dev.wrenn.contract.Ids;

/**
 * Identifies a team.
 *
 * @param text {@code team-} and 25 base-36 digits
 */
public record TeamId(String text) {
    /** Owns the built-in templates. */
    public static final TeamId PLATFORM = new TeamId("team-0000000000000000000000000");

    /** Rejects any other form. */
    public TeamId {
        Ids.requireForm("team-", text);
    }

    static TeamId random() {
        return new TeamId(Ids.random("team-"));
    }

    @Override
    public String toString() {
        return text;
    }
}
