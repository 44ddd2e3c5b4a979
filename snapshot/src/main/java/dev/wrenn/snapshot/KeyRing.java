package dev.wrenn.snapshot;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.wrenn.base.Kind;
import dev.wrenn.base.WrennException;
import dev.wrenn.snapshot.store.BlobName;
import dev.wrenn.snapshot.store.BlobStore;
import java.io.IOException;
import java.security.GeneralSecurityException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The keys of an archive: one random key per team, kept in the store wrapped by a master key that
 * never leaves this machine.
 *
 * <p>Turning the master key over means to put a new one in front of the old ones: {@link #open}
 * wraps every team's key anew and touches nothing else. Thread-safe.
 */
final class KeyRing {
    private static final ObjectMapper JSON =
            new ObjectMapper().enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS);
    private static final String FOLDER = "keys/";
    private static final int VERSION = 1;

    private final BlobStore blobs;
    private final List<MasterKey> masters;
    private final Map<String, TeamKey> known = new ConcurrentHashMap<>();

    private KeyRing(BlobStore blobs, List<MasterKey> masters) {
        this.blobs = blobs;
        this.masters = masters;
    }

    /**
     * A team's key as it is stored.
     *
     * @param master fingerprint of the master key that wraps it
     * @param wrapped nonce and encrypted key, hexadecimal
     */
    record Wrapped(int version, String team, String master, String wrapped) {}

    /**
     * Opens the ring, and wraps anew what an earlier master key wrapped.
     *
     * @param masters the one in force first, then those that may still be met; at least one
     * @throws WrennException INVALID if a key is wrapped by none of them
     */
    static KeyRing open(BlobStore blobs, List<MasterKey> masters) {
        var ring = new KeyRing(blobs, List.copyOf(masters));
        for (var name : blobs.list(FOLDER)) {
            var stored = blobs.get(name);
            if (stored.isPresent()) {
                var wrapped = decode(name, stored.get());
                if (!wrapped.master().equals(masters.getFirst().fingerprint())) {
                    blobs.put(name, ring.wrap(wrapped.team(), ring.unwrap(name, wrapped)));
                }
            }
        }
        return ring;
    }

    /** The key of a team; made when the team stores something for the first time. */
    TeamKey of(String team) {
        return known.computeIfAbsent(team, this::load);
    }

    private TeamKey load(String team) {
        var name = new BlobName(FOLDER + team);
        var stored = blobs.get(name);
        if (stored.isEmpty()) {
            var made = wrap(team, Ciphers.random(Ciphers.KEY_BYTES));
            var _ = blobs.putIfAbsent(name, made); // somebody else may have been first
            stored = blobs.get(name);
        }
        var wrapped = decode(name, stored.orElseThrow(() -> damaged(name, null)));
        if (!wrapped.team().equals(team)) {
            throw damaged(name, null);
        }
        return new TeamKey(team, unwrap(name, wrapped));
    }

    private byte[] wrap(String team, byte[] key) {
        var master = masters.getFirst();
        var nonce = Ciphers.random(Ciphers.NONCE_BYTES);
        var encrypted = Ciphers.encrypt(master.key(), nonce, Ciphers.bytes("team " + team), key);
        var wrapped =
                new Wrapped(
                        VERSION,
                        team,
                        master.fingerprint(),
                        HexFormat.of().formatHex(nonce) + HexFormat.of().formatHex(encrypted));
        try {
            return JSON.writeValueAsBytes(wrapped);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("a wrapped key cannot be written as JSON", e);
        }
    }

    private byte[] unwrap(BlobName name, Wrapped wrapped) {
        var master =
                masters.stream()
                        .filter(m -> m.fingerprint().equals(wrapped.master()))
                        .findFirst()
                        .orElseThrow(() ->
                                new WrennException(
                                        Kind.INVALID,
                                        ("the snapshot store's keys were wrapped by master key %s,"
                                                        + " which this machine does not have; put it into the"
                                                        + " master key file")
                                                .formatted(wrapped.master())));
        try {
            var bytes = HexFormat.of().parseHex(wrapped.wrapped());
            return Ciphers.decrypt(
                    master.key(),
                    Arrays.copyOf(bytes, Ciphers.NONCE_BYTES),
                    Ciphers.bytes("team " + wrapped.team()),
                    Arrays.copyOfRange(bytes, Ciphers.NONCE_BYTES, bytes.length));
        } catch (IllegalArgumentException | GeneralSecurityException e) {
            throw damaged(name, e);
        }
    }

    private static Wrapped decode(BlobName name, byte[] json) {
        try {
            var wrapped = JSON.readValue(json, Wrapped.class);
            if (wrapped.version() != VERSION) {
                throw new SnapshotCorrupt(name.text(), "has an unknown version");
            }
            return wrapped;
        } catch (IOException e) {
            throw damaged(name, e);
        }
    }

    private static SnapshotCorrupt damaged(BlobName name, @Nullable Exception cause) {
        return new SnapshotCorrupt(name.text(), "is no key", cause);
    }
}
