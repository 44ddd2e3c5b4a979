package dev.wrenn.host.image;

import dev.wrenn.base.Kind;
import dev.wrenn.base.Progress;
import dev.wrenn.base.WrennException;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.DigestOutputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Duration;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Pattern;
import org.apache.commons.compress.archivers.tar.TarArchiveEntry;
import org.apache.commons.compress.archivers.tar.TarArchiveInputStream;
import org.apache.commons.compress.compressors.gzip.GzipCompressorInputStream;

/**
 * A release of Firecracker as its makers publish it: firecracker and jailer in one archive.
 *
 * @param version without a leading v
 * @param sha256 of the archive, 64 hex digits; without it, the one that the makers publish beside
 *     the archive: that finds what was damaged on the way, not what was replaced at its source.
 *     Nothing of an archive that has another one is ever unpacked
 * @param base where releases are
 */
public record FirecrackerRelease(String version, Optional<String> sha256, URI base) {
    /** Where the makers publish them. */
    public static final URI MAKERS =
            URI.create("https://github.com/firecracker-microvm/firecracker/releases/download");

    private static final Pattern VERSION = Pattern.compile("[0-9]+\\.[0-9]+\\.[0-9]+");
    private static final Pattern SHA256 = Pattern.compile("[0-9a-f]{64}");
    private static final Duration CONNECT_LIMIT = Duration.ofSeconds(20);
    private static final Duration ANSWER_LIMIT = Duration.ofSeconds(60);

    /** An archive has some 10 MB, a program some 4. */
    private static final long LIMIT_BYTES = 200L << 20;

    private static final int BUFFER_BYTES = 1 << 16;
    private static final String NAME = "firecracker";
    private static final String MARK = "release";

    /** Checks what a user has typed. */
    public FirecrackerRelease {
        if (!VERSION.matcher(version).matches()) {
            throw new WrennException(
                    Kind.INVALID, "a version of Firecracker looks like 1.16.1, not " + version);
        }
        sha256.ifPresent(FirecrackerRelease::demandSha256);
    }

    private static void demandSha256(String text) {
        if (!SHA256.matcher(text).matches()) {
            throw new WrennException(
                    Kind.INVALID, "a SHA-256 has 64 hex digits in lower case, not: " + text);
        }
    }

    /**
     * Puts both programs into the folder {@code firecracker} of the data folder, unless they are
     * there.
     *
     * @throws WrennException if the archive cannot be had or is another one
     */
    public void install(Path dataFolder, Progress progress) {
        var mark = dataFolder.resolve(NAME).resolve(MARK);
        try {
            if (Files.exists(mark) && isThis(Files.readString(mark))) {
                return;
            }
            var wanted = sha256.isPresent() ? sha256.get() : published(progress);
            var aside = new Aside(dataFolder);
            var archive = aside.scratch("firecracker.tgz");
            try {
                download(archive, wanted, progress);
                Aside.remove(dataFolder.resolve(NAME));
                aside.make(NAME, unfinished -> unpack(archive, wanted, unfinished));
            } finally {
                Aside.remove(archive);
            }
        } catch (IOException e) {
            throw new GuestImageFailed("cannot install Firecracker " + version, e);
        }
    }

    private boolean isThis(String mark) {
        return sha256.map(wanted -> mark.equals(mark(wanted)))
                .orElseGet(() -> mark.startsWith(version + " "));
    }

    private String mark(String checksum) {
        return version + " " + checksum + "\n";
    }

    /** What the makers say the checksum is: a line as sha256sum(1) writes it. */
    private String published(Progress progress) throws IOException {
        var place = URI.create(source() + ".sha256.txt");
        try (var http = client()) {
            var request = HttpRequest.newBuilder(place).timeout(ANSWER_LIMIT).build();
            var response = http.send(request, BodyHandlers.limiting(BodyHandlers.ofString(), 4096));
            var checksum = response.body().strip().split("\\s+", 2)[0];
            if (response.statusCode() != 200 || !SHA256.matcher(checksum).matches()) {
                throw new GuestImageFailed(
                        ("%s answers with status %d and no checksum; look it up where you trust it and"
                                        + " say --firecracker-sha256 HEX")
                                .formatted(place, response.statusCode()));
            }
            progress.start(
                            "Firecracker %s has SHA-256 %s, says %s"
                                    .formatted(version, checksum, place),
                            0)
                    .done();
            return checksum;
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new GuestImageFailed("the download of Firecracker was interrupted");
        }
    }

    private static HttpClient client() {
        return HttpClient.newBuilder()
                .followRedirects(HttpClient.Redirect.NORMAL)
                .connectTimeout(CONNECT_LIMIT)
                .build();
    }

    private URI source() {
        return URI.create("%s/v%s/firecracker-v%s-x86_64.tgz".formatted(base, version, version));
    }

    private void download(Path to, String wanted, Progress progress) throws IOException {
        var request = HttpRequest.newBuilder(source()).timeout(ANSWER_LIMIT).build();
        try (var http = client();
                var step = progress.start("Downloading Firecracker " + version, 0)) {
            var response = http.send(request, BodyHandlers.ofInputStream());
            try (var body = response.body()) {
                if (response.statusCode() != 200) {
                    throw new GuestImageFailed(
                            "%s answers with status %d".formatted(source(), response.statusCode()));
                }
                response.headers().firstValueAsLong("content-length").ifPresent(step::expect);
                var digest = MessageDigest.getInstance("SHA-256");
                try (var output = new DigestOutputStream(Files.newOutputStream(to), digest)) {
                    var buffer = new byte[BUFFER_BYTES];
                    long total = 0;
                    for (int read = body.read(buffer); read >= 0; read = body.read(buffer)) {
                        total += read;
                        if (total > LIMIT_BYTES) {
                            throw new GuestImageFailed(source() + " is too large");
                        }
                        output.write(buffer, 0, read);
                        step.advance(read);
                    }
                }
                demand(wanted, HexFormat.of().formatHex(digest.digest()));
                step.done();
            }
        } catch (InterruptedException _) {
            Thread.currentThread().interrupt();
            throw new GuestImageFailed("the download of Firecracker was interrupted");
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    private void demand(String wanted, String found) {
        if (!found.equals(wanted)) {
            throw new WrennException(
                    Kind.CORRUPT,
                    "%s is not the release that was asked for: its SHA-256 is %s instead of %s"
                            .formatted(source(), found, wanted));
        }
    }

    private void unpack(Path archive, String checksum, Path folder) throws IOException {
        Files.createDirectory(folder);
        var wanted =
                Map.of(
                        "firecracker-v%s-x86_64".formatted(version),
                        NAME,
                        "jailer-v%s-x86_64".formatted(version),
                        "jailer");
        int found = 0;
        try (var tar =
                new TarArchiveInputStream(
                        new GzipCompressorInputStream(
                                new BufferedInputStream(Files.newInputStream(archive))))) {
            for (TarArchiveEntry entry = tar.getNextEntry();
                    entry != null;
                    entry = tar.getNextEntry()) {
                var name = entry.getName().substring(entry.getName().lastIndexOf('/') + 1);
                var target = wanted.get(name);
                if (target != null && entry.isFile()) {
                    var program = folder.resolve(target);
                    Files.copy(tar, program);
                    Files.setPosixFilePermissions(
                            program, PosixFilePermissions.fromString("rwxr-xr-x"));
                    found++;
                }
            }
        }
        if (found != wanted.size()) {
            throw new GuestImageFailed(
                    source() + " does not hold " + String.join(" and ", wanted.keySet()));
        }
        Files.writeString(folder.resolve(MARK), mark(checksum));
    }
}
