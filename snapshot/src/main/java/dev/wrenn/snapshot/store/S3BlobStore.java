package dev.wrenn.snapshot.store;

import dev.wrenn.base.Forks;
import dev.wrenn.base.Kind;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.AwsCredentialsProvider;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.core.checksums.RequestChecksumCalculation;
import software.amazon.awssdk.core.checksums.ResponseChecksumValidation;
import software.amazon.awssdk.core.exception.SdkException;
import software.amazon.awssdk.core.sync.RequestBody;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.retries.StandardRetryStrategy;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.CompletedPart;
import software.amazon.awssdk.services.s3.model.S3Exception;

/**
 * Blobs as objects of an S3 bucket. Requests are repeated by the SDK, with growing and jittered
 * pauses, at most {@value #ATTEMPTS} times.
 */
public final class S3BlobStore implements BlobStore {
    private static final int ATTEMPTS = 5;
    private static final int PART_BYTES = 8 << 20; // S3 takes no less than 5 MiB
    private static final int PARTS_AT_A_TIME = 4;
    private static final int NOT_FOUND = 404;
    private static final int CONFLICT = 409;
    private static final int PRECONDITION_FAILED = 412;
    private static final int OUT_OF_RANGE = 416;
    private static final Set<Integer> REFUSED = Set.of(400, 401, 403);
    private static final int STORAGE_FULL = 507;

    private final S3Client client;
    private final S3Config config;

    private S3BlobStore(S3Client client, S3Config config) {
        this.client = client;
        this.config = config;
    }

    /**
     * Opens a bucket.
     *
     * @throws BlobStoreFailed INVALID if there is no such bucket, if it refuses the credentials, or
     *     if it ignores the condition of {@link #putIfAbsent}
     */
    public static S3BlobStore open(S3Config config) {
        var builder =
                S3Client.builder()
                        .region(Region.of(config.region()))
                        .credentialsProvider(credentials(config))
                        .forcePathStyle(config.endpoint().isPresent())
                        // Every frame has its own authentication; stores that are not Amazon's
                        // stumble over checksums in trailers.
                        .requestChecksumCalculation(RequestChecksumCalculation.WHEN_REQUIRED)
                        .responseChecksumValidation(ResponseChecksumValidation.WHEN_REQUIRED)
                        .httpClientBuilder(
                                UrlConnectionHttpClient.builder()
                                        .connectionTimeout(Duration.ofSeconds(5))
                                        .socketTimeout(config.attemptLimit()))
                        .overrideConfiguration(o ->
                                o.retryStrategy(
                                                StandardRetryStrategy.builder()
                                                        .maxAttempts(ATTEMPTS)
                                                        .build())
                                        .apiCallAttemptTimeout(config.attemptLimit()));
        config.endpoint().ifPresent(builder::endpointOverride);
        var store = new S3BlobStore(builder.build(), config);
        try {
            store.requireConditionalWrites();
            return store;
        } catch (RuntimeException e) {
            store.close();
            throw e;
        }
    }

    private static AwsCredentialsProvider credentials(S3Config config) {
        return config.keys()
                .<AwsCredentialsProvider>map(k ->
                        StaticCredentialsProvider.create(
                                AwsBasicCredentials.create(k.id(), k.secret().reveal())))
                .orElseGet(() -> DefaultCredentialsProvider.builder().build());
    }

    /** A store that ignores the condition would let two writers both believe they were first. */
    private void requireConditionalWrites() {
        var probe = new BlobName("probe-" + java.util.UUID.randomUUID());
        try {
            boolean isFirst = putIfAbsent(probe, new byte[] {1});
            boolean isSecond = putIfAbsent(probe, new byte[] {2});
            if (!isFirst || isSecond) {
                throw new BlobStoreFailed(
                        Kind.INVALID,
                        "use " + describe(),
                        "it ignores the condition \"If-None-Match: *\" of a PUT, without which"
                                + " snapshots could be overwritten; use a store that honours it",
                        null);
            }
        } finally {
            delete(probe);
        }
    }

    @Override
    public void put(BlobName name, Path content) {
        try {
            if (Files.size(content) <= PART_BYTES) {
                put(name, Files.readAllBytes(content));
            } else {
                putInParts(name, content);
            }
        } catch (IOException e) {
            throw new BlobStoreFailed(
                    Kind.UNAVAILABLE, "store " + name, "its file cannot be read", e);
        }
    }

    private void putInParts(BlobName name, Path content) throws IOException {
        var upload =
                call(
                                "begin to store " + name,
                                () ->
                                        client.createMultipartUpload(
                                                r -> r.bucket(config.bucket()).key(key(name))))
                        .uploadId();
        try (var channel = FileChannel.open(content, StandardOpenOption.READ)) {
            var parts = uploadParts(name, upload, channel);
            var _ =
                    call(
                            "complete " + name,
                            () ->
                                    client.completeMultipartUpload(r ->
                                            r.bucket(config.bucket())
                                                    .key(key(name))
                                                    .uploadId(upload)
                                                    .multipartUpload(m -> m.parts(parts))));
        } catch (IOException | RuntimeException e) {
            abandon(name, upload, e);
            throw e;
        }
    }

    private List<CompletedPart> uploadParts(BlobName name, String upload, FileChannel content)
            throws IOException {
        int count = Math.toIntExact((content.size() + PART_BYTES - 1) / PART_BYTES);
        var parts = new ArrayList<CompletedPart>();
        for (int first = 0; first < count; first += PARTS_AT_A_TIME) {
            try (var forks = new Forks()) {
                var running = new ArrayList<Forks.Fork<CompletedPart>>();
                for (int i = first; i < Math.min(count, first + PARTS_AT_A_TIME); i++) {
                    int part = i;
                    running.add(
                            forks.start(
                                    "upload part", () -> uploadPart(name, upload, content, part)));
                }
                running.forEach(f -> parts.add(f.take(allAttempts())));
            }
        }
        return parts;
    }

    private CompletedPart uploadPart(BlobName name, String upload, FileChannel content, int index)
            throws IOException {
        long from = (long) index * PART_BYTES;
        var bytes = ByteBuffer.allocate((int) Math.min(PART_BYTES, content.size() - from));
        while (bytes.hasRemaining()) {
            if (content.read(bytes, from + bytes.position()) < 0) {
                throw new BlobStoreFailed(
                        Kind.CORRUPT, "store " + name, "its file became shorter", null);
            }
        }
        int number = index + 1;
        var tag =
                call(
                                "store a part of " + name,
                                () ->
                                        client.uploadPart(
                                                r ->
                                                        r.bucket(config.bucket())
                                                                .key(key(name))
                                                                .uploadId(upload)
                                                                .partNumber(number),
                                                RequestBody.fromBytes(bytes.array())))
                        .eTag();
        return CompletedPart.builder().partNumber(number).eTag(tag).build();
    }

    /** Parts of an upload that is never completed would be paid for. */
    private void abandon(BlobName name, String upload, Exception because) {
        try {
            client.abortMultipartUpload(
                    r -> r.bucket(config.bucket()).key(key(name)).uploadId(upload));
        } catch (SdkException e) {
            because.addSuppressed(e);
        }
    }

    @Override
    public void put(BlobName name, byte[] content) {
        var _ =
                call(
                        "store " + name,
                        () ->
                                client.putObject(
                                        r -> r.bucket(config.bucket()).key(key(name)),
                                        RequestBody.fromBytes(content)));
    }

    @Override
    public boolean putIfAbsent(BlobName name, byte[] content) {
        try {
            var _ =
                    client.putObject(
                            r -> r.bucket(config.bucket()).key(key(name)).ifNoneMatch("*"),
                            RequestBody.fromBytes(content));
            return true;
        } catch (S3Exception e) {
            if (e.statusCode() == PRECONDITION_FAILED || e.statusCode() == CONFLICT) {
                // Perhaps it was ourselves, and the answer to an earlier attempt was lost.
                return get(name).filter(found -> Arrays.equals(found, content)).isPresent();
            }
            throw translated("store " + name, e);
        } catch (SdkException e) {
            throw translated("store " + name, e);
        }
    }

    @Override
    public Optional<byte[]> get(BlobName name) {
        try {
            return Optional.of(
                    client.getObjectAsBytes(r -> r.bucket(config.bucket()).key(key(name)))
                            .asByteArray());
        } catch (S3Exception e) {
            if (isAbsent(e)) {
                return Optional.empty();
            }
            throw translated("read " + name, e);
        } catch (SdkException e) {
            throw translated("read " + name, e);
        }
    }

    @Override
    public void read(BlobName name, long offset, ByteBuffer target) {
        if (!target.hasRemaining()) {
            return;
        }
        long last = offset + target.remaining() - 1;
        int start = target.position();
        try {
            client.getObject(
                    r ->
                            r.bucket(config.bucket())
                                    .key(key(name))
                                    .range("bytes=%d-%d".formatted(offset, last)),
                    (_, body) -> {
                        target.position(start); // a repeated attempt begins again
                        fill(name, body, target);
                        return target;
                    });
        } catch (S3Exception e) {
            if (isAbsent(e)) {
                throw new BlobAbsent(name, e);
            }
            if (e.statusCode() == OUT_OF_RANGE) {
                throw new BlobStoreFailed(
                        Kind.CORRUPT, "read " + name, "it ends before byte " + offset, e);
            }
            throw translated("read " + name, e);
        } catch (SdkException e) {
            throw translated("read " + name, e);
        }
        if (target.hasRemaining()) {
            throw new BlobStoreFailed(
                    Kind.CORRUPT,
                    "read " + name,
                    "it ends %d bytes early".formatted(target.remaining()),
                    null);
        }
    }

    private static void fill(BlobName name, InputStream body, ByteBuffer target)
            throws IOException {
        var piece = new byte[Math.min(64 << 10, Math.max(1, target.remaining()))];
        int count = body.read(piece, 0, Math.min(piece.length, target.remaining()));
        while (count > 0) {
            target.put(piece, 0, count);
            count =
                    target.hasRemaining()
                            ? body.read(piece, 0, Math.min(piece.length, target.remaining()))
                            : 0;
        }
        if (!target.hasRemaining() && body.read() >= 0) {
            throw new BlobStoreFailed(
                    Kind.UNAVAILABLE, "read " + name, "the store ignores ranges", null);
        }
    }

    @Override
    public Optional<Long> size(BlobName name) {
        try {
            return Optional.of(
                    client.headObject(r -> r.bucket(config.bucket()).key(key(name)))
                            .contentLength());
        } catch (S3Exception e) {
            if (isAbsent(e)) {
                return Optional.empty();
            }
            throw translated("look at " + name, e);
        } catch (SdkException e) {
            throw translated("look at " + name, e);
        }
    }

    @Override
    public Set<BlobName> list(String prefix) {
        return call(
                "list blobs",
                () -> {
                    var names = new TreeSet<BlobName>();
                    client.listObjectsV2Paginator(
                                    r -> r.bucket(config.bucket()).prefix(config.prefix() + prefix))
                            .contents()
                            .forEach(o ->
                                    names.add(
                                            new BlobName(
                                                    o.key().substring(config.prefix().length()))));
                    return names;
                });
    }

    @Override
    public void delete(BlobName name) {
        var _ =
                call(
                        "delete " + name,
                        () -> client.deleteObject(r -> r.bucket(config.bucket()).key(key(name))));
    }

    private String key(BlobName name) {
        return config.prefix() + name.text();
    }

    private Duration allAttempts() {
        return config.attemptLimit().multipliedBy(ATTEMPTS + 1L);
    }

    private <T> T call(String attempt, Supplier<T> request) {
        try {
            return request.get();
        } catch (SdkException e) {
            throw translated(attempt, e);
        }
    }

    private static boolean isAbsent(S3Exception e) {
        return e.statusCode() == NOT_FOUND && !"NoSuchBucket".equals(errorCode(e));
    }

    private static String errorCode(S3Exception e) {
        return e.awsErrorDetails() == null ? "" : String.valueOf(e.awsErrorDetails().errorCode());
    }

    private BlobStoreFailed translated(String attempt, SdkException e) {
        if (!(e instanceof S3Exception answer)) {
            return new BlobStoreFailed(
                    Kind.UNAVAILABLE, attempt, describe() + " does not answer", e);
        }
        int status = answer.statusCode();
        var code = errorCode(answer);
        if (code.equals("NoSuchBucket")) {
            return new BlobStoreFailed(
                    Kind.INVALID, attempt, "there is no " + describe() + "; create it first", e);
        }
        if (REFUSED.contains(status)) {
            return new BlobStoreFailed(
                    Kind.INVALID,
                    attempt,
                    "%s refuses it (%d %s); check the credentials and their rights"
                            .formatted(describe(), status, code),
                    e);
        }
        return new BlobStoreFailed(
                status == STORAGE_FULL ? Kind.EXHAUSTED : Kind.UNAVAILABLE,
                attempt,
                "%s answers %d %s".formatted(describe(), status, code.toLowerCase(Locale.ROOT)),
                e);
    }

    @Override
    public String describe() {
        return "bucket %s at %s"
                .formatted(
                        config.bucket(),
                        config.endpoint().map(URI::getHost).orElse("S3 " + config.region()));
    }

    @Override
    public void close() {
        client.close();
    }
}
