package dev.wrenn.snapshot.store;

import dev.wrenn.base.Resource;
import dev.wrenn.base.Secret;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.Properties;
import org.gaul.s3proxy.BlobStores;
import org.gaul.s3proxy.S3Proxy;
import org.gaul.s3proxy.auth.AuthenticationType;

/** An S3 server in this process, on files of a folder. */
public final class S3Server implements Resource {
    private static final String BUCKET = "wrenn-test";

    private final S3Proxy proxy;
    private final org.gaul.s3proxy.blobstore.BlobStore files;

    private S3Server(S3Proxy proxy, org.gaul.s3proxy.blobstore.BlobStore files) {
        this.proxy = proxy;
        this.files = files;
    }

    /** Starts a server with one empty bucket. */
    public static S3Server start(Path folder) throws Exception {
        Files.createDirectories(folder);
        var properties = new Properties();
        properties.setProperty("jclouds.filesystem.basedir", folder.toString());
        var files = BlobStores.create("filesystem-nio2", properties);
        files.createContainer(BUCKET);
        var proxy =
                S3Proxy.builder()
                        .blobStore(files)
                        .endpoint(URI.create("http://127.0.0.1:0"))
                        .awsAuthentication(
                                AuthenticationType.AWS_V2_OR_V4, "access", "secret-of-the-test")
                        .build();
        proxy.start();
        return new S3Server(proxy, files);
    }

    /** Where a client reaches it. */
    public URI endpoint() {
        return URI.create("http://127.0.0.1:" + proxy.getPort());
    }

    /** How a client opens its bucket. */
    public S3Config config() {
        return config(endpoint(), "secret-of-the-test");
    }

    static S3Config config(URI endpoint, String secret) {
        return new S3Config(
                Optional.of(endpoint),
                BUCKET,
                "us-east-1",
                "wrenn/",
                Optional.of(new S3Config.Keys("access", new Secret(secret))),
                Duration.ofSeconds(20));
    }

    @Override
    public void close() {
        try {
            proxy.stop();
            files.close();
        } catch (Exception e) {
            throw new AssertionError("the S3 server does not end", e);
        }
    }
}
