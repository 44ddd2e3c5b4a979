package dev.wrenn.host.oci;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.cloud.tools.jib.api.Credential;
import com.google.cloud.tools.jib.api.DescriptorDigest;
import com.google.cloud.tools.jib.api.ImageReference;
import com.google.cloud.tools.jib.api.InvalidImageReferenceException;
import com.google.cloud.tools.jib.api.RegistryException;
import com.google.cloud.tools.jib.api.RegistryUnauthorizedException;
import com.google.cloud.tools.jib.event.EventHandlers;
import com.google.cloud.tools.jib.frontend.CredentialRetrieverFactory;
import com.google.cloud.tools.jib.http.FailoverHttpClient;
import com.google.cloud.tools.jib.http.ResponseException;
import com.google.cloud.tools.jib.image.json.BuildableManifestTemplate;
import com.google.cloud.tools.jib.image.json.ManifestListTemplate;
import com.google.cloud.tools.jib.registry.RegistryClient;
import com.google.cloud.tools.jib.registry.credentials.CredentialRetrievalException;
import dev.wrenn.base.Kind;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/**
 * Registries of container images, and the parts of images that were pulled from them, each kept in
 * a file named after its digest.
 *
 * <p>Passwords come from docker's own configuration (docker-login(1)). A registry on an address
 * that is not public is refused unless the operator named it: else whoever may build could make
 * this machine call its neighbours.
 */
public final class ImageRegistry {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String ARCHITECTURE = "amd64";
    private static final String SYSTEM = "linux";
    private static final int NOT_FOUND = 404;
    private static final int MOST_LAYERS = 128;
    private static final long LARGEST_LAYER_BYTES = 4L << 30;
    private static final int LARGEST_CONFIG_BYTES = 4 << 20;

    private final Path blobs;
    private final Set<String> privateRegistries;

    /**
     * @param blobs folder for what was pulled
     * @param privateRegistries {@code host:port} of registries that may be on any address, and be
     *     reached without TLS if that is a loopback address
     */
    public ImageRegistry(Path blobs, Set<String> privateRegistries) {
        this.blobs = blobs;
        this.privateRegistries = Set.copyOf(privateRegistries);
    }

    /**
     * Pulls what is not here yet.
     *
     * @param reference such as {@code debian:12} or {@code host:5000/name@sha256:…}
     * @param progress told what is done, in words for people
     * @throws ImageRefused INVALID for a bad reference or an image for other machines, ABSENT if
     *     there is none, UNAVAILABLE if the registry does not answer
     */
    public PulledImage pull(String reference, Consumer<String> progress) {
        ImageReference image;
        try {
            image = ImageReference.parse(reference);
        } catch (InvalidImageReferenceException e) {
            throw new ImageRefused(
                    Kind.INVALID, "image must be HOST/NAME:TAG or HOST/NAME@sha256:DIGEST", e);
        }
        boolean isLocal = requireAllowed(image.getRegistry());
        var http = new FailoverHttpClient(isLocal, isLocal, _ -> {});
        try {
            Files.createDirectories(blobs);
            return pull(image, open(image, http), progress);
        } catch (RegistryUnauthorizedException e) {
            throw new ImageRefused(
                    Kind.ABSENT,
                    "the registry does not let us have " + reference + "; docker login may help",
                    e);
        } catch (RegistryException e) {
            boolean isMissing = saysNotFound(e);
            throw new ImageRefused(
                    isMissing ? Kind.ABSENT : Kind.UNAVAILABLE,
                    isMissing
                            ? "the registry has no image " + reference
                            : "the registry refuses " + reference,
                    e);
        } catch (IOException e) {
            throw new ImageRefused(Kind.UNAVAILABLE, "cannot pull " + reference, e);
        } finally {
            shutDown(http);
        }
    }

    private static boolean saysNotFound(Throwable failure) {
        for (var cause = failure.getCause(); cause != null; cause = cause.getCause()) {
            if (cause instanceof ResponseException answer) {
                return answer.getStatusCode() == NOT_FOUND;
            }
        }
        return false;
    }

    private static void shutDown(FailoverHttpClient http) {
        try {
            http.shutDown();
        } catch (IOException e) {
            throw new ImageRefused(Kind.BUG, "the registry client does not end", e);
        }
    }

    /**
     * Refuses a registry that must not be called.
     *
     * @return whether it is on this machine
     */
    private boolean requireAllowed(String registry) {
        var host = registry.replaceFirst(":\\d+$", "");
        InetAddress[] addresses;
        try {
            addresses = InetAddress.getAllByName(host);
        } catch (UnknownHostException e) {
            throw new ImageRefused(Kind.UNAVAILABLE, "there is no registry " + registry, e);
        }
        boolean isLocal = true;
        for (var address : addresses) {
            boolean isPrivate =
                    address.isLoopbackAddress()
                            || address.isAnyLocalAddress()
                            || address.isLinkLocalAddress()
                            || address.isSiteLocalAddress()
                            || address.isMulticastAddress();
            if (isPrivate && !privateRegistries.contains(registry)) {
                throw new ImageRefused(
                        Kind.INVALID,
                        "registry %s is not on a public address; the operator may allow it"
                                .formatted(registry),
                        null);
            }
            isLocal &= address.isLoopbackAddress();
        }
        return isLocal;
    }

    private static RegistryClient open(ImageReference image, FailoverHttpClient http)
            throws IOException, RegistryException {
        var factory =
                RegistryClient.factory(
                        EventHandlers.NONE, image.getRegistry(), image.getRepository(), http);
        Optional<Credential> credential;
        try {
            credential =
                    CredentialRetrieverFactory.forImage(image, _ -> {}).dockerConfig().retrieve();
        } catch (CredentialRetrievalException e) {
            throw new ImageRefused(
                    Kind.UNAVAILABLE, "docker's configuration on this machine cannot be used", e);
        }
        credential.ifPresent(factory::setCredential);
        var client = factory.newRegistryClient();
        if (!client.doPullBearerAuth() && credential.isPresent()) {
            client.configureBasicAuth();
        }
        return client;
    }

    private PulledImage pull(ImageReference image, RegistryClient client, Consumer<String> progress)
            throws IOException, RegistryException {
        var found = client.pullManifest(image.getQualifier());
        if (found.getManifest() instanceof ManifestListTemplate list) {
            var digests = list.getDigestsForPlatform(ARCHITECTURE, SYSTEM);
            if (digests.isEmpty()) {
                throw ImageRefused.hostile("has no edition for linux/amd64");
            }
            found = client.pullManifest(digests.getFirst());
        }
        if (!(found.getManifest() instanceof BuildableManifestTemplate manifest)) {
            throw ImageRefused.hostile("has a manifest of an unknown or outdated sort");
        }
        if (manifest.getLayers().size() > MOST_LAYERS) {
            throw ImageRefused.hostile("has more than " + MOST_LAYERS + " layers");
        }
        var config = config(client, manifest);
        var architecture = config.path("architecture").asText(ARCHITECTURE);
        if (!architecture.equals(ARCHITECTURE)) {
            throw ImageRefused.hostile("is for " + architecture + ", not for amd64");
        }
        var layers = new ArrayList<Layer>();
        int number = 0;
        for (var layer : manifest.getLayers()) {
            progress.accept(
                    "layer %d of %d, %d KiB"
                            .formatted(
                                    ++number, manifest.getLayers().size(), layer.getSize() >> 10));
            var pinned = layer.getDigest();
            if (pinned == null) {
                throw ImageRefused.hostile("has a layer without a digest");
            }
            layers.add(new Layer(blob(client, pinned, layer.getSize())));
        }
        var digest = found.getDigest();
        return new PulledImage(
                image.getRegistry() + "/" + image.getRepository() + "@" + digest,
                digest.getHash(),
                config.path("config"),
                List.copyOf(layers));
    }

    private static JsonNode config(RegistryClient client, BuildableManifestTemplate manifest)
            throws IOException {
        var described =
                Optional.ofNullable(manifest.getContainerConfiguration())
                        .orElseThrow(() -> ImageRefused.hostile("has no configuration"));
        if (described.getSize() > LARGEST_CONFIG_BYTES) {
            throw ImageRefused.hostile("has a configuration of more than 4 MiB");
        }
        var bytes = new ByteArrayOutputStream();
        client.pullBlob(described.getDigest(), _ -> {}, _ -> {}).writeTo(bytes);
        return JSON.readTree(bytes.toByteArray());
    }

    private Path blob(RegistryClient client, DescriptorDigest digest, long size)
            throws IOException {
        if (size > LARGEST_LAYER_BYTES) {
            throw ImageRefused.hostile("has a layer of more than 4 GiB");
        }
        var target = blobs.resolve(digest.getHash());
        if (Files.exists(target)) {
            return target;
        }
        var aside = Files.createTempFile(blobs, digest.getHash(), ".new");
        try {
            try (var out = new Bounded(Files.newOutputStream(aside), size)) {
                // Compares the digest at the end and fails if it differs.
                client.pullBlob(digest, _ -> {}, _ -> {}).writeTo(out);
            }
            Files.move(aside, target, StandardCopyOption.ATOMIC_MOVE);
            return target;
        } finally {
            Files.deleteIfExists(aside);
        }
    }
}
