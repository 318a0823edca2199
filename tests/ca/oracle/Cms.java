import java.io.ByteArrayInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.List;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaCertStore;
import org.bouncycastle.cms.CMSProcessableByteArray;
import org.bouncycastle.cms.CMSSignedData;
import org.bouncycastle.cms.CMSSignedDataGenerator;
import org.bouncycastle.cms.SignerInformation;
import org.bouncycastle.cms.jcajce.JcaSignerInfoGeneratorBuilder;
import org.bouncycastle.cms.jcajce.JcaSimpleSignerInfoVerifierBuilder;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.operator.jcajce.JcaDigestCalculatorProviderBuilder;

/** The second opinion: reads orders, one a line, and answers each with a line.
 *  sign ALGORITHM KEY CERTIFICATE CONTENT OUT [bare] | verify SIGNATURE CONTENT | issued CERTIFICATE ISSUER */
public class Cms {
    public static void main(String[] arguments) throws Exception {
        Security.addProvider(new BouncyCastleProvider());
        for (String line : Files.readAllLines(Path.of(arguments[0]))) {
            String[] words = line.split(" ");
            String said;
            try {
                said = switch (words[0]) {
                    case "sign" -> sign(words);
                    case "verify" -> verify(words);
                    default -> issued(words);
                };
            } catch (Exception error) {
                said = "error " + error;
            }
            System.out.println(said);
        }
    }

    static byte[] bytes(String file) throws Exception {
        return Files.readAllBytes(Path.of(file));
    }

    static X509Certificate certificate(String file) throws Exception {
        CertificateFactory factory = CertificateFactory.getInstance("X.509", "BC");
        return (X509Certificate) factory.generateCertificate(new ByteArrayInputStream(bytes(file)));
    }

    static String sign(String[] words) throws Exception {
        String kind = words[1].endsWith("RSA") ? "RSA" : "EC";
        PrivateKey key = KeyFactory.getInstance(kind, "BC").generatePrivate(new PKCS8EncodedKeySpec(bytes(words[2])));
        X509Certificate own = certificate(words[3]);
        CMSSignedDataGenerator generator = new CMSSignedDataGenerator();
        JcaSignerInfoGeneratorBuilder builder = new JcaSignerInfoGeneratorBuilder(
            new JcaDigestCalculatorProviderBuilder().setProvider("BC").build());
        builder.setDirectSignature(words.length > 6);
        generator.addSignerInfoGenerator(
            builder.build(new JcaContentSignerBuilder(words[1]).setProvider("BC").build(key), own));
        List<X509Certificate> certificates = new ArrayList<>(List.of(own));
        generator.addCertificates(new JcaCertStore(certificates));
        CMSSignedData made = generator.generate(new CMSProcessableByteArray(bytes(words[4])), false);
        Files.write(Path.of(words[5]), made.toASN1Structure().getEncoded("DER"));
        return "signed";
    }

    static String verify(String[] words) throws Exception {
        CMSSignedData read = new CMSSignedData(new CMSProcessableByteArray(bytes(words[2])), bytes(words[1]));
        SignerInformation signer = read.getSignerInfos().getSigners().iterator().next();
        X509CertificateHolder own = null;
        for (Object one : read.getCertificates().getMatches(null)) {
            if (signer.getSID().match(one)) {
                own = (X509CertificateHolder) one;
            }
        }
        return signer.verify(new JcaSimpleSignerInfoVerifierBuilder().setProvider("BC").build(own)) ? "good" : "bad";
    }

    static String issued(String[] words) throws Exception {
        certificate(words[1]).verify(certificate(words[2]).getPublicKey(), "BC");
        return "good";
    }
}
