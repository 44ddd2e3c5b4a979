package dev.wrenn.snapshot;

/** Names whose key encrypts a snapshot. */
final class Team {
    /** Manifest attribute that names the team. */
    static final String ATTRIBUTE = "team";

    /** Whoever has no team, such as templates that all teams start from. */
    static final String SHARED = "shared";

    private Team() {}

    /** Of a snapshot. */
    static String of(Manifest manifest) {
        return check(manifest.attributes().getOrDefault(ATTRIBUTE, SHARED));
    }

    /** Rejects what could be taken for something else in the name of a blob. */
    static String check(String team) {
        if (!team.matches("[a-z0-9][a-z0-9-]{0,62}")) {
            throw new IllegalArgumentException("not the name of a team: " + team);
        }
        return team;
    }
}
