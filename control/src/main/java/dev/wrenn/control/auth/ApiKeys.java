package dev.wrenn.control.auth;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Secret;
import dev.wrenn.base.WrennException;
import dev.wrenn.contract.Ids;
import dev.wrenn.control.http.ApiException;
import dev.wrenn.control.http.ErrorCode;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import org.jdbi.v3.core.Jdbi;

/**
 * Keys of teams: {@code wrn_} and 32 hexadecimal digits, stored as SHA-256 only. A key's 128 random
 * bits need no slow hash.
 */
public final class ApiKeys {
    private static final String PREFIX = "wrn_";
    private static final int RANDOM_BYTES = 16;
    private static final int SHOWN_CHARS = 10;
    private static final int LONGEST_CHARS = 200;
    private static final Duration LAST_USED_STEP = Duration.ofMinutes(1);
    private static final String DEFAULT_SLUG = "default";

    private final ApiKeyRows rows;
    private final InstantSource clock;
    private final KnownKeys known = new KnownKeys();

    /** Over that database. */
    public ApiKeys(Jdbi db, InstantSource clock) {
        this.rows = new ApiKeyRows(db);
        this.clock = clock;
    }

    /**
     * Who shows that key.
     *
     * @throws ApiException UNAUTHORIZED for none, an unknown one, or one of a deleted team
     */
    public Caller authenticate(Optional<String> shown) {
        var key =
                shown.filter(k -> !k.isEmpty())
                        .orElseThrow(() -> unauthorized("send your API key as X-API-Key"));
        if (!key.startsWith(PREFIX) || key.length() > LONGEST_CHARS) {
            throw unauthorized("the API key is not valid; it starts with " + PREFIX);
        }
        var hash = hash(key);
        var found = known.get(hash).orElseGet(() -> lookUp(hash));
        return new Caller(new TeamId(found.teamId()), found.keyId());
    }

    private ApiKeyRows.Found lookUp(String hash) {
        long revocations = known.revocations();
        var found =
                rows.find(hash)
                        .orElseThrow(() -> unauthorized("the API key is not valid or was revoked"));
        var now = clock.instant();
        if (found.lastUsed().isEmpty()
                || Duration.between(found.lastUsed().get(), now).compareTo(LAST_USED_STEP) > 0) {
            rows.used(found.keyId(), now);
        }
        known.keep(hash, found, revocations);
        return found;
    }

    /** Whether a key is known and good. */
    public boolean isValid(Secret key) {
        return rows.find(hash(key.reveal())).isPresent();
    }

    /** Makes a key for the team that exists from the start; the text is not kept anywhere. */
    public Secret createDefault(String name) {
        return create(defaultTeam(), name);
    }

    /** Makes a key for a team. */
    public Secret create(TeamId team, String name) {
        return make(team, name).secret();
    }

    /** A key at the only moment at which its text is known. */
    record Made(ApiKey key, Secret secret) {}

    /** Makes a key for a team. */
    Made make(TeamId team, String name) {
        var random = new byte[RANDOM_BYTES];
        new SecureRandom().nextBytes(random);
        var text = PREFIX + HexFormat.of().formatHex(random);
        var key =
                new ApiKey(
                        Ids.random("key-"),
                        name,
                        text.substring(0, SHOWN_CHARS),
                        clock.instant(),
                        Optional.empty());
        rows.insertKey(key.id(), team.text(), name, hash(text), key.prefix(), key.createdAt());
        return new Made(key, new Secret(text));
    }

    /** Makes a team. */
    public TeamId createTeam(String name, String slug) {
        rows.insertTeam(TeamId.random().text(), name, slug, clock.instant());
        return new TeamId(rows.teamBySlug(slug).orElseThrow());
    }

    /** Deletes a team; its keys stop working at once. */
    public void deleteTeam(TeamId team) {
        rows.deleteTeam(team.text(), clock.instant());
        known.forget(k -> k.teamId().equals(team.text()));
    }

    /** The keys of a team, newest first. */
    public List<ApiKey> list(TeamId team) {
        return rows.list(team.text());
    }

    /**
     * Ends a key at once.
     *
     * @return whether there was one
     */
    public boolean revoke(String keyId) {
        boolean revoked = rows.deleteKey(keyId);
        known.forget(k -> k.keyId().equals(keyId));
        return revoked;
    }

    /** The team that exists from the start. */
    public TeamId defaultTeam() {
        return rows.teamBySlug(DEFAULT_SLUG)
                .map(TeamId::new)
                .orElseGet(() -> createTeam("Default", DEFAULT_SLUG));
    }

    /** Whether it is the team that exists from the start, or the platform's: the operator's own. */
    public boolean isOperator(TeamId team) {
        return team.equals(TeamId.PLATFORM)
                || rows.teamBySlug(DEFAULT_SLUG).filter(team.text()::equals).isPresent();
    }

    private static ApiException unauthorized(String message) {
        return new ApiException(ErrorCode.UNAUTHORIZED, message);
    }

    private static String hash(String key) {
        try {
            return HexFormat.of()
                    .formatHex(
                            MessageDigest.getInstance("SHA-256")
                                    .digest(key.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new WrennException(Kind.BUG, "SHA-256 is missing", e);
        }
    }
}
