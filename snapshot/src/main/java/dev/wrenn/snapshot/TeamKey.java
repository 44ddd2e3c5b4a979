package dev.wrenn.snapshot;

/** The key of one team, and the keys derived from it. Immutable. */
final class TeamKey {
    private final String team;
    private final byte[] key;
    private final byte[] namingKey;

    TeamKey(String team, byte[] key) {
        this.team = team;
        this.key = key.clone();
        this.namingKey = Ciphers.derive(key, "names");
    }

    String team() {
        return team;
    }

    /** A name for content: the same for the same content, meaningless to others. */
    byte[] name(byte[] content) {
        return Ciphers.mac(namingKey, content);
    }

    /** A key for one blob only. */
    byte[] keyFor(String blob) {
        return Ciphers.derive(key, "blob " + blob);
    }

    @Override
    public String toString() {
        return "key of team " + team;
    }
}
