# ruff: noqa: E501 - a shape is one line
r"""Shapes in which secrets stand in runs, each with a random value, and innocents.

In a shape, ``$w`` is a word that a person would choose and that looks like no token,
``$r36`` 36 random letters and digits, ``$h`` hexadecimal ones, ``$U`` capitals and
digits, ``$d`` digits, ``$b`` of the alphabet of base64 for URLs. ``\n`` breaks a line.
"""

import base64
import hashlib
import re
from typing import NamedTuple

_ALPHABETS = {
    "r": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
    "h": "0123456789abcdef",
    "U": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "d": "123456789",
    "b": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
}
_PLACE = re.compile(r"\$(?:(w)(?![a-z_])|([rhUdb])(\d+))")
_LEAST = 10
_BASIC = re.compile(r"\$basic\b")


class Shape(NamedTuple):
    """A shape with its value in it, and what must not be found."""

    text: str
    needles: tuple[str, ...]


def _bytes(seed: str, length: int) -> bytes:
    found = b""
    while len(found) < length:
        found += hashlib.sha512(f"{seed} {len(found)}".encode()).digest()
    return found[:length]


def word(seed: str) -> str:
    """Return a word that can be said, as people choose for passwords."""
    data = _bytes(seed, 6)
    return "".join("bdfgklmnprstvz"[b % 14] + "aeiou"[b // 14 % 5] for b in data)


def letters(seed: str, kind: str, length: int) -> str:
    """Return *length* random letters of an alphabet."""
    alphabet = _ALPHABETS[kind]
    found = "".join(alphabet[b % len(alphabet)] for b in _bytes(seed + kind, length))
    if kind in "rb":  # every token has all kinds of letters
        found = found[: length - 3] + "k7Q"
    return found


def filled(shape: str, seed: str = "") -> Shape:
    """Return *shape* with values that only it has."""
    needles: list[str] = []

    def put(match: re.Match[str]) -> str:
        own = f"{seed}|{shape}|{match.start()}"
        value = word(own) if match[1] else letters(own, match[2], int(match[3]))
        if len(value) >= _LEAST:  # less is found by chance
            needles.append(value)
        return value

    text = _PLACE.sub(put, shape.replace("\\n", "\n").replace("\\t", "\t"))
    if _BASIC.search(text):
        pair = base64.b64encode(f"ml:{word(seed + shape)}".encode()).decode()
        needles.append(pair)
        text = _BASIC.sub(pair, text)
    assert needles, shape
    return Shape(text, tuple(needles))


NAMES = """
password passwd DB_PASSWORD dbPassword userPwd passphrase PGPASSWORD MYSQL_PWD
MYSQL_ROOT_PASSWORD REDISCLI_AUTH secret_key SECRET_KEY_BASE client_secret clientSecret
jwt_secret signing_key encryption_key private_key access_key AWS_SECRET_ACCESS_KEY
AWS_SESSION_TOKEN api_key apikey api-key X-Api-Key apiToken auth_token access_token
refreshToken bearer_token personal_access_token bot_token HF_TOKEN
HUGGING_FACE_HUB_TOKEN WANDB_API_KEY COMET_API_KEY NEPTUNE_API_TOKEN
MLFLOW_TRACKING_PASSWORD CLEARML_API_SECRET_KEY OPENAI_API_KEY COHERE_API_KEY
TOGETHER_API_KEY MISTRAL_API_KEY KAGGLE_KEY KAKAO_REST_API_KEY KAKAO_ADMIN_KEY
NAVER_CLIENT_SECRET NCP_SECRET_KEY license_key totp_secret passcode pin_code hmac_key
master_key root_password sudo_pass ssh_passphrase keystore_password sas_token
SharedAccessKey AccountKey connection_string ConnectionString sentry_dsn webhook_url
ldap_bind_pw vnc_passwd wifi_psk pre_shared_key service_account_key consumer_key
consumer_secret app_key appKey DD_API_KEY DD_APP_KEY private_token deploy_token
authkey TAILSCALE_AUTHKEY rpc_secret session_cookie basic_auth http_auth login_password
serviceKey crtfc_key unseal_key recovery_code backup_codes otp_seed mnemonic
seed_phrase htpasswd bind_credentials smtp_auth_password proxy_pass GH_PAT
AZURE_DEVOPS_EXT_PAT accessKeySecret secretAccessKey azure_client_secret
PASSWORD_FILE_CONTENT ANSIBLE_VAULT_PASSWORD user_passwords.kim keys.openai
""".split()
"""Names whose values are secrets, whatever these look like."""

KOREAN_NAMES = """
비밀번호 암호 패스워드 인증키 토큰 비번 비밀키 개인키 접속암호 관리자_비밀번호 DB비밀번호
db_비밀번호 서비스키 API키 api_키 API_인증키 액세스토큰 접근_토큰 인증토큰 깃허브_토큰
시크릿 시크릿키 클라이언트시크릿 보안키 자격증명 인증정보 라이선스키 쿠키 웹훅 접속정보.암호
사용자.비밀번호 메일.패스워드 암호키 서명키 액세스키 패스프레이즈
""".split()

MAPPINGS = r"""
{auth: {value: $w}}
{auth: {user: kim, value: $w}}
{auth: {basic: {user: ml, pass: $w}}}
{auth: [ml, $w]}
{auth: {code: $w}}
{auth: {key: $w}}
{auth: {default: $w}}
{auth: {ghcr.io: {auth: $basic}}}
{auths: {ghcr.io: {auth: $basic}}}
{http: {basic_auth: [ml, $w]}}
{api: {key: $w}}
{api: {secret: $w}}
{api: {token: $w}}
{api: {keys: [$w, $w]}}
{api: {openai: {key: $w}}}
{api: {key: {value: $w}}}
{api: {credentials: {value: $w}}}
{apis: {weather: {key: $w}}}
{credentials: {default: {value: $w}}}
{credentials: [{user: ml, value: $w}]}
{credentials: {ml: $w}}
{credential: $w}
{creds: {hub: {data: $w}}}
{openai: {key: $w}}
{openai: {api: {key: $w}}}
{wandb: {key: $w, project: x}}
{aws: {access: {key: $w}}}
{aws: {secret: {access: {key: $w}}}}
{s3: {endpoint: x, access: {id: x, key: $w}}}
{secrets: [$w, $w]}
{secrets: {db: {value: $w}}}
{tokens: {hub: $w}}
{token: {value: $w}}
{keys: {openai: $w, wandb: $w}}
{login: {id: kim, pw: $w}}
{login: {user: kim, password: {plain: $w}}}
{smtp: {host: x, user: u, pass: $w}}
{db: {user: ml, pw: $w}}
{database: {connection: {string: 'Server=x;Uid=ml;Pwd=$w;'}}}
{cookies: {session: $w}}
{headers: {X-Api-Key: $w, Accept: json}}
{headers: {Authorization: Token $w}}
{vault: {token: $w, addr: x}}
{vault: {unseal_keys: [$w, $w]}}
{registry: {user: ml, token: $w}}
{slack: {webhook: {url: 'https://chat.lab/$w'}}}
{users: [{name: ml, user: {token: $w}}]}
{ssh: {private: {key: $w}}}
{비밀번호: {값: $w}}
{인증: {키: $w}}
{접속: {아이디: kim, 암호: $w}}
{env: [{name: DB_PASSWORD, value: $w}]}
{env: [{name: LR, value: 1}, {name: HF_TOKEN, value: $w}]}
{env: [{value: $w, name: API_KEY}]}
{env: [{key: WANDB_API_KEY, value: $w}]}
{env: [{Name: SMTP_PASS, Value: $w}]}
{env: [{name: DB_PASSWORD, value: {plain: $w}}]}
{env: [{name: DB_PASSWORD, type: string, default: $w}]}
{env: [{variable: JWT_SECRET, val: $w}]}
{parameters: [{id: db.password, value: $w}]}
{parameters: {p0: {param: api_key, v: $w}}}
{headers: [{name: Authorization, value: $w}]}
{headers: [{key: Cookie, value: $w}]}
{env: [{name: 비밀번호, value: $w}]}
{env: [{이름: 비밀번호, 값: $w}]}
{settings: {name: client_secret, content: $w}}
{name: password, value: $w}
{env: [[DB_PASSWORD, $w], [LR, 1]]}
{env: ["DB_PASSWORD=$w", "LR=1"]}
{env: [{DB_PASSWORD: $w}]}
{args: [--password, $w]}
{args: ["--password=$w", --lr, "1"]}
{cmd: [docker, login, -u, ml, -p, $w, ghcr.io]}
{cmd: [mysql, -uroot, -p$w]}
{cmd: [curl, -u, "ml:$w", "https://x"]}
{cmd: [sshpass, -p, $w, ssh, host]}
{service_account: {type: service_account, private_key_id: $h40, private_key: "-----BEGIN PRIVATE KEY-----\n$b64\n-----END PRIVATE KEY-----\n"}}
{kaggle: {username: kim, key: $h32}}
{jwk: {kty: oct, k: $b43}}
{ApiKey: {Value: $w}}
{Auth: {Token: {Data: $w}}}
{azure: {storage: {account: x, key: $w}}}
{wandb_api_key: {value: $w, desc: null}}
{db: {url: "postgresql+psycopg2://ml:$w@db:5432/x"}}
{hub: {token: $w}}
{discord: {bot: {token: $w}}}
{neptune: {api_token: $w}}
{account: {password: {hash: $w}}}
{sasl: {mechanism: PLAIN, password: $w}}
{oauth: {client: {id: x, secret: $w}}}
{proxy: {auth: {username: u, value: $w}}}
{db_pass: $w}
{DATABASE_PASSWORD: $w}
{admin_passwd: $w}
{userPassphrase: $w}
{ROOT_PW: $w}
{ftp_pw: $w}
{secretKey: $w}
{APP_SECRET: $w}
{hashSecret: $w}
{cloudflare_api_token: $w}
{PINECONE_API_KEY: $w}
{REPLICATE_API_TOKEN: $w}
{roboflow_api_key: $w}
{LABELBOX_API_KEY: $w}
{telegram_bot_token: $w}
{discord_token: $w}
{slackToken: $w}
{GITLAB_PRIVATE_TOKEN: $w}
{ghToken: $w}
{githubPat: $w}
{personalAccessToken: $w}
{wandbKey: $w}
{wandb_login_key: $w}
{comet_key: $w}
{neptune_token: $w}
{clearml_secret: $w}
{aim_token: $w}
{dagshub_token: $w}
{MINIO_SECRET_KEY: $w}
{MINIO_ROOT_PASSWORD: $w}
{s3_secret: $w}
{S3_SECRET_ACCESS_KEY: $w}
{gcs_private_key: $w}
{azure_storage_connection_string: $w}
{AZURE_STORAGE_KEY: $w}
{storage_account_key: $w}
{redis_password: $w}
{rabbitmq_pass: $w}
{kafka_sasl_password: $w}
{es_password: $w}
{elastic_api_key: $w}
{jupyter_token: $w}
{jupyter_password: $w}
{vnc_password: $w}
{ssh_private_key: $w}
{sshKeyPassphrase: $w}
{ssl_key_password: $w}
{tls_key_pass: $w}
{keyPassword: $w}
{p12_password: $w}
{storepass: $w}
{keypass: $w}
{mail_password: $w}
{email_pass: $w}
{IMAP_PASSWORD: $w}
{smtpPassword: $w}
{sender_pw: $w}
{naver_pw: $w}
{kakao_token: $w}
{kakao_rest_key: $w}
{naver_client_secret: $w}
{google_maps_key: $w}
{firebase_key: $w}
{fcm_server_key: $w}
{stripe_key: $w}
{sentryDsn: $w}
{slackWebhookUrl: $w}
{notify_webhook: $w}
{teams_webhook: $w}
{auth_header: $w}
{authorization_header: $w}
{bearer: $w}
{jwt: eyJhbGciOiJIUzI1NiJ9.$b30.$b30}
{jwt_signing_key: $w}
{cookie_secret: $w}
{session_secret_key: $w}
{csrf_secret: $w}
{flask_secret_key: $w}
{django_secret: $w}
{fernet_key: $b43}
{encryption_passphrase: $w}
{aes_key: $w}
{crypto_key: $w}
{hmac_secret: $w}
{shared_secret: $w}
{two_factor_secret: $w}
{mfa_secret: $w}
{otp: $w}
{oauth_client_secret: $w}
{oauth_refresh_token: $w}
{oauth2: {client_secret: $w}}
{id_token: $w}
{sas: "sv=2024&sig=$b43"}
{api: {secret_key: $w}}
{api: {auth: {token: $w}}}
{api: {access: $w}}
{api: {password: $w}}
{api: {bearer: $w}}
{api: {value: $w}}
{api_credentials: {key: $w}}
{api: {production: {key: $w}}}
{credentials: {aws: {key_id: x, value: $w}}}
{credentials: {token: $w}}
{credentials: $w}
{credentials: "ml:$w"}
{login_credentials: [ml, $w]}
{user_credentials: {pw: $w}}
{auth: "ml:$w"}
{auth: {password: $w}}
{auth: {token: $w}}
{auth: {bearer: $w}}
{auth: {secret: $w}}
{auth: {api: {value: $w}}}
{auth: {pw: $w}}
{auth: {credentials: {value: $w}}}
{auth: {hf: $w}}
{auth: {openai: $w}}
{authentication: {value: $w}}
{authentication: {key: $w}}
{authentication: $w}
{tokens: {huggingface: $w}}
{tokens: {wandb: $w, hf: $w}}
{token: {hf: $w}}
{keys: {wandb: $w}}
{keys: {api: $w}}
{api_keys: {a: $w}}
{passwords: {ml: $w}}
{secrets: {WANDB: $w}}
{secret: {key: {name: x, val: $w}}}
{hf: {token: $w}}
{huggingface: {auth_token: $w}}
{wandb: {api_key: $w}}
{wandb: {login: {key: $w}}}
{mlflow: {tracking: {username: u, password: $w}}}
{environment: [{name: WANDB_API_KEY, value: $w}]}
{env_vars: [{key: AWS_SECRET_ACCESS_KEY, value: $w}]}
{env: [{Key: DB_PASS, Value: $w}]}
{variables: [{variable: password, content: $w}]}
{config: [{option: api_token, value: $w}]}
{properties: [{property: password, value: $w}]}
{attrs: [{attribute: token, value: $w}]}
{fields: [{field: secret, data: $w}]}
{inputs: [{title: Password, value: $w}]}
{args: [{arg: --password, value: $w}]}
{headers: [{name: X-Api-Key, values: [$w]}]}
{kv: [{k: secret_key, v: $w}]}
{env: [{name: PGPASSWORD, valueFrom: {literal: $w}}]}
{containers: [{name: a, env: [{name: MYSQL_ROOT_PASSWORD, value: $w}]}]}
{list: [[password, $w], [a, b]]}
{list: ["password: $w", "a: b"]}
{list: ["HF_TOKEN=$w"]}
{database: {dsn: "user=ml password=$w host=x"}}
{db: {uri: "mysql://ml:$w@h/x"}}
{db: {conn: "Server=h;Database=x;User Id=sa;Password=$w;"}}
{db: {connection: "Driver=x;PWD=$w"}}
{celery: {broker: "amqp://u:$w@h//"}}
{cache: {url: "redis://:$w@h/0"}}
{mongo: {uri: "mongodb://ml:$w@a:1,b:2/x?replicaSet=r"}}
{sqlalchemy.url: "oracle+cx_oracle://ml:$w@h:1521/x"}
{git: {remote: "https://kim:$w@github.lab/x.git"}}
{registry_auth: $basic}
{dockerconfigjson: {auths: {x: {username: u, password: $w}}}}
{비밀번호: $w}
{사용자_암호: $w}
{데이터베이스_패스워드: $w}
{서버비밀번호: $w}
{메일비번: $w}
{API_토큰: $w}
{허깅페이스_토큰: $w}
{슬랙토큰: $w}
{텔레그램_봇_토큰: $w}
{공공데이터_인증키: $w}
{서비스_인증키: $w}
{발급키: $w}
{접근키: $w}
{비밀_키: $w}
{시크릿_키: $w}
{암호문구: $w}
{로그인: {아이디: kim, 비번: $w}}
{인증: {토큰: $w}}
{인증: {값: $w}}
{인증: $w}
{환경변수: [{이름: DB_비밀번호, 값: $w}]}
{계정: {암호: $w}}
{접속_비밀번호: $w}
{패스코드: $w}
{관리자암호: $w}
{db: {credentials: {username: ml, passwd: $w}}}
{trainer: {logger: {wandb: {key: $w}}}}
{logger: {api_key: $w, project: x}}
{logger: {neptune: {api_token: $w}}}
{callbacks: [{class: Slack, webhook: "https://x.lab/$w"}]}
{callbacks: [{_target_: x.Telegram, token: $w, chat_id: 3}]}
{notifier: {telegram: {bot_token: $w}}}
{notifier: {email: {user: a, password: $w}}}
{notifications: {kakao: {access_token: $w}}}
{storage: {minio: {access_key: x, secret_key: $w}}}
{storage: {secret: $w}}
{remote: {s3: {aws_secret_access_key: $w}}}
{data: {source: {password: $w}}}
{dataset: {hf_token: $w}}
{dataset: {credentials: {value: $w}}}
{hub: {use_auth_token: $w}}
{model: {use_auth_token: $w}}
{push_to_hub_token: $w}
{hub_private_token: $w}
{openai: {organization: x, api_key: $w}}
{llm: {api: {key: $w}}}
{llm: {key: $r24, api_key: $w}}
{providers: [{name: openai, key: $r24}]}
{provider: {anthropic: {key: $w}}}
{providers: [{name: openai, api_key: $w}]}
{providers: {mistral: {key: $w}}}
{environment: {OPENAI_KEY: $w}}
{env: {SECRET: $w}}
{env: {TOKEN: $w}}
{env: {PASS: $w}}
{env: "A=1 DB_PASSWORD=$w"}
{env: [A=1, "SECRET_TOKEN=$w"]}
{kwargs: {auth: ["u", "$w"]}}
{requests: {auth: {username: u, password: $w}}}
{session: {cookies: {sid: $w}}}
{session: {headers: {cookie: "a=$w"}}}
{headers: {"X-Auth-Token": $w}}
{headers: {"x-access-token": $w}}
{headers: {Authorization: "Basic $basic"}}
{headers: ["Authorization: Bearer $w"]}
{secret: {name: db, value: $w}}
{secrets: [{name: db, value: $w}]}
{secrets: [{id: db, data: $w}]}
{volumes: [{secret: {secretName: x, value: $w}}]}
{spec: {containers: [{env: [{name: TOKEN, value: $w}]}]}}
{params: {"db/password": $w}}
{params: {"api/key": $w}}
{params.api.key: $w}
{config: '{"password": "$w"}'}
{config: "{'auth': {'token': '$w'}}"}
{config: "[auth]\npassword = $w"}
{raw: "password: $w\nuser: x"}
{comment: "비밀번호는 $w7"}
{메모: "비밀번호: $w"}
{설명: "DB 암호는 $w 이다"}
{API_KEY_값: $w}
{api_key_1: $w}
{api_key2: $w}
{API_KEYS: "$w,$w"}
{password1: $w}
{password_2: $w}
{old_password: $w}
{new_passwd: $w}
{passwordHash: $w}
{db_password_file_content: $w}
{encrypted_password: $w}
{default_password: $w}
{tokenValue: $w}
{token_secret: $w}
{secret_token: $w}
{secret_id: $w}
{secret_value: $w}
{role_secret: $w}
{vault_root_token: $w}
{unlock_password: $w}
{zip_password: $w}
{pdf_password: $w}
{wifi_password: $w}
{ssid_pw: $w}
{proxy_password: $w}
{http_proxy: "http://u:$w@p:1"}
{mlflow_tracking_token: $w}
{dvc_remote_password: $w}
{airflow_conn: "postgres://u:$w@h/x"}
{spark.hadoop.fs.s3a.secret.key: $w}
{spark.hadoop.fs.s3a.access.key: $w}
{fs.azure.account.key.x: $w}
{spring.datasource.password: $w}
{snowflake_password: $w}
{sf_pass: $w}
{bq_credentials_json: $w}
{gcp_service_account: {private_key: "-----BEGIN PRIVATE KEY-----\n$b64\n-----END PRIVATE KEY-----"}}
{gh_token: $w}
{bitbucket_app_password: $w}
{jira_api_token: $w}
{confluence_token: $w}
{notion_key: $w}
{linear_api_key: $w}
{zapier_hook: "https://hooks.zapier.com/hooks/catch/1/$r12"}
{teams_webhook_url: "https://x.webhook.office.com/webhookb2/$h32"}
{deepspeed: {aio: {key: 3}}, hub_token: $w}
{비번1: $w}
{구글_비밀번호: $w}
{로그인_암호: $w}
{개인_액세스_토큰: $w}
{클라이언트_시크릿: $w}
{앱키: $w}
{보안_토큰: $w}
{세션토큰: $w}
{슬랙_웹훅: "https://x.lab/$w"}
{DB접속암호: $w}
{원격서버_패스워드: $w}
{네이버_클라이언트_시크릿: $w}
{카카오_앱키: $w}
{카카오_REST_API_키: $w}
{오픈AI_키: $w}
{환경: [{키: DB_비밀번호, 값: $w}]}
"""

COMMANDS = r"""
train.py --password=$w
train.py --password $w --lr 1
train.py --db.password $w
train.py --api-key "$w" --lr 1
train.py --secret='$w'
train.py +db.password=$w lr=0.1
mysql -u root -p$w ml
mysql -uroot -p$w -h db ml
mysql -h db -p'$w' ml
mysqldump --password=$w ml > x.sql
mysqladmin -u root password $w
mysqladmin -uroot -p$w status
mariadb -u root -p$w ml
docker login -u ml -p $w ghcr.io
docker login --username ml --password $w
docker login -u ml -p=$w
podman login -p $w -u ml quay.io
echo $w | docker login -u ml --password-stdin
echo "$w" | docker login ghcr.io -u ml --password-stdin
helm registry login -u ml -p $w ghcr.io
az login -u ml@lab -p $w
oc login -u ml -p $w https://x:6443
curl -u ml:$w https://x
curl -uml:$w https://x
curl --user "ml:$w" https://x
curl --user=ml:$w https://x
curl -sSu ml:$w https://x
curl -x http://ml:$w@proxy:3128 https://x
curl -H "X-Api-Key: $w" https://x
curl -H 'PRIVATE-TOKEN: $w' https://x
curl -d 'user=ml&password=$w' https://x
curl -b "session=$w" https://x
curl --cookie session=$w https://x
wget --user=ml --password=$w https://x
wget --http-password=$w https://x
wget --header="Authorization: Token $w" https://x
http -a ml:$w https://x
https --auth ml:$w x
psql "host=db user=ml password=$w dbname=x"
PGPASSWORD=$w psql -h db
export DB_PASSWORD=$w
export HF_TOKEN='$w'
setx DB_PASSWORD "$w"
set DB_PASSWORD=$w
$env:DB_PASSWORD = "$w"
ENV DB_PASSWORD $w
ENV DB_PASSWORD=$w
docker run -e DB_PASSWORD=$w -p 8080:80 img
docker run --env=DB_PASSWORD=$w img
sshpass -p $w ssh ml@host
sshpass -p'$w' ssh ml@host
sshpass -p$w scp a b
redis-cli -h x -a $w ping
mongosh -u ml -p $w --authenticationDatabase admin
mongo --username ml --password $w
mongodump -u ml -p $w
ldapsearch -x -D cn=ml -w $w -b dc=x
sqlcmd -S db -U sa -P $w -Q x
sqlplus scott/$w@db
smbclient //h/x -U ml%$w
wandb login $h40
wandb login --relogin $h40
wandb login $r40
huggingface-cli login --token $w
hf auth login --token $w
kubectl create secret generic s --from-literal=password=$w
kubectl create secret docker-registry r --docker-password=$w
openssl enc -pass pass:$w -in x
openssl rsa -passin pass:$w -in x
unzip -P $w x.zip
7z x -p$w x.7z
gpg --batch --passphrase $w -d x
echo $w | sudo -S apt update
htpasswd -b users ml $w
az storage blob list --account-key $w
databricks configure --token $w
git clone https://ml:$w@git.lab/x
git clone https://oauth2:$w@gitlab.lab/x
git -c http.extraHeader="Authorization: Basic $basic" fetch
pip install -i https://ml:$w@pypi.lab/simple x
rclone config create r webdav pass $w
lftp -u ml,$w sftp://h
ftp://ml:$w@h/x
snowsql -a x -u ml --password $w
vault login hvs.$b24
vault login token=$w
vault kv put secret/x password=$w
gh secret set TOKEN --body $w
npm config set //registry.npmjs.org/:_authToken $w
twine upload -u __token__ -p $w dist/x
heroku config:set SECRET_KEY=$w
aws configure set aws_secret_access_key $w
dvc remote modify --local r password $w
mlflow server --backend-store-uri mysql+pymysql://ml:$w@db/x
ngrok config add-authtoken $r49
net use z: \\\\h\\x /user:ml password:$w
python train.py --wandb-key $w
python train.py --hf_token $w --epochs 3
python train.py --auth ml:$w
python train.py --db-url postgres://ml:$w@h/x
python train.py -o api.key=$w
python train.py api.key=$w
python train.py ++wandb.key=$w
accelerate launch x.py --hub_token $w
HF_TOKEN=$w WANDB_API_KEY=$w python x.py
env DB_PASSWORD=$w python x.py
export AWS_SECRET_ACCESS_KEY=$w; python x
docker login -p $w -u ml
docker login registry.lab --username ml -p $w
docker run -e HF_TOKEN=$w -e LR=1 img
docker build --build-arg NPM_TOKEN=$w .
docker build --secret id=x --build-arg PIP_PASSWORD=$w .
podman login -u ml -p "$w" x
nerdctl login -u ml -p $w
skopeo login -u ml -p $w x
singularity remote login -p $w
mysql -u ml -p$w -e 'select 1'
mysql --user=ml --password='$w' x
mysql -h x -P 3306 -u ml -p$w x
mysqlimport -u ml -p$w x y
mysql -u"ml" -p"$w" x
curl -u 'ml:$w' https://x
curl -k -u ml:$w -X POST https://x
curl https://x -u ml:$w
curl --basic --user ml:$w https://x
curl -H "Authorization: Bearer $w" https://x
curl -H "Authorization:Bearer $r30" https://x
curl -H "token: $w" https://x
curl -H 'apikey: $w' https://x
curl https://ml:$w@x/y
curl "https://x/y?api_key=$w"
curl --proxy-user ml:$w https://x
curl -X POST -d '{"password":"$w"}' https://x
curl --data password=$w https://x
curl -F token=$w https://x
wget --password $w https://x
wget --user ml --password "$w" https://x
http POST x Authorization:"Bearer $r30"
aria2c --http-passwd=$w https://x
sshpass -p "$w" scp x y
sshpass -e ssh x # SSHPASS=$w
psql postgresql://ml:$w@h/x
pg_dump "postgresql://ml:$w@h/x"
redis-cli -a "$w"
redis-cli --pass $w
mongo mongodb://ml:$w@h/x
mongosh --password $w
kaggle config set -n key -v $h32
aws configure set aws_session_token $w
az login --service-principal -u x -p $w --tenant t
az acr login --password $w
hf auth login --token=$w
huggingface-cli login --token "$w"
wandb login --key $w
clearml-init --secret-key $w
dvc remote modify r --local secret_access_key $w
mc alias set m https://x ml $w
rclone --ftp-pass $w ls x:
s3cmd --secret_key=$w ls
snowsql --password=$w
kinit <<< $w # password
echo $w | kinit ml@X
echo '$w' | gh auth login --with-token
echo "$w" | wandb login
zip -P $w x.zip y
7za a -p$w x.7z y
openssl enc -aes-256-cbc -k $w
openssl pkcs12 -password pass:$w
keytool -storepass $w
ansible-playbook x -e "db_password=$w"
helm install x --set auth.password=$w
helm install x --set auth.rootPassword=$w,a=b
terraform apply -var 'db_password=$w'
kubectl create secret generic x --from-literal key=$w
vault kv put s/x token=$w
ansible-vault --vault-password $w
sudo mount -t cifs //h/x /m -o user=ml,pass=$w
sudo mount -t cifs //h/x /m -o username=ml,password=$w
mysqldump -h db -u root -p"$w" ml > x
mysql --host=db --user=root -p$w
docker login https://x -u ml -p $w
docker login --password=$w -u ml x
docker exec -e PASSWORD=$w c sh
docker secret create x <<< $w
curl --user ml:"$w" https://x
curl -Lu ml:$w https://x
curl -H Authorization:\ Bearer\ $r30 https://x
curl --oauth2-bearer $w https://x
curl -H "Cookie: sid=$w" https://x
curl -u :$w https://x
wget --header "X-Token: $w" https://x
git remote add o https://$r20@github.lab/x
git clone https://x-access-token:$w@github.com/o/r
pip install --extra-index-url https://__token__:$w@x/simple y
poetry config pypi-token.x pypi-AgEIcHlwaS5vcmc$b60
poetry config http-basic.x ml $w
npm login --_auth=$w
//npm.lab/:_password=$w
conda config --add channels https://conda.lab/t/$r30/x
psql "postgresql://ml:$w@h/x?sslmode=require"
export PGPASSWORD="$w"
PGPASSWORD='$w' psql
set -x WANDB_API_KEY $w
$env:HF_TOKEN='$w'
SET HF_TOKEN=$w
export OPENAI_API_KEY=$w && python x.py
nohup env API_TOKEN=$w python x.py &
srun --export=ALL,HF_TOKEN=$w python x
sbatch --export=WANDB_API_KEY=$w run.sh
ssh -o "ProxyCommand sshpass -p $w ssh x" y
rsync rsync://ml:$w@h/x y
rsync --password=$w x y
mount -o username=ml,password=$w //h/x y
lftp -e 'open -u ml,$w h'
ncftpget -u ml -p $w h x
ldapwhoami -D cn=x -w $w
kubectl --token=$w get po
kubectl config set-credentials u --token=$w
kubectl config set-credentials u --username=x --password=$w
oc login --token=$w https://x
helm repo add x https://y --username u --password $w
argocd login x --username admin --password $w
vault write x/login secret_id=$w
az login --username u --password $w
az storage account --connection-string "AccountName=x;AccountKey=$b86=="
gsutil -o Credentials:gs_secret_access_key=$w ls
aws --secret-key $w s3 ls
twine upload -p $w x
gpg --passphrase="$w" x
jupyter notebook --NotebookApp.token=$w
jupyter lab --IdentityProvider.token='$w'
http://localhost:8888/?token=$h48
http://127.0.0.1:8888/lab?token=$w
tensorboard --auth ml:$w
ray start --redis-password=$w
mlflow ui --app-token $w
"""

TEXTS = r"""
Authorization: Bearer $w7
Authorization: Bearer $r30
Authorization: Basic $basic
Authorization: Token $w
Authorization: ApiKey $w
Proxy-Authorization: Basic $basic
X-Auth-Token: $w
X-API-KEY: $w
Api-Key: $w
Ocp-Apim-Subscription-Key: $w
Cookie: session=$w; other=1
Set-Cookie: sid=$w; Path=/
machine api.wandb.ai login user password $h40
machine api.wandb.ai\n  login user\n  password $h40
machine h login ml password $w
machine h\n  login ml\n  password $w
machine h login ml account x password $w
default login ml password $w
//registry.npmjs.org/:_authToken=$w
[default]\naws_access_key_id = $U20\naws_secret_access_key = $w
[remote]\nuser = ml\npassword = $w\n
postgres://ml:$w@db/x
postgresql+asyncpg://ml:$w@db:5432/x?ssl=true
mysql+pymysql://ml:$w@db/x
mongodb+srv://ml:$w@c0.mongo.lab/x
redis://:$w@h:6379/0
rediss://default:$w@h:6379
amqp://ml:$w@mq:5672/v
sqlserver://ml:$w@db:1433?database=x
snowflake://ml:$w@acc/x
clickhouse+native://ml:$w@h/x
https://$w:x-oauth-basic@github.lab/x
ml:$w@tcp(db:3306)/x
ml:$w@db.lab:5432/x
jdbc:postgresql://db/x?user=ml&password=$w
jdbc:sqlserver://db:1433;databaseName=x;user=ml;password=$w;
jdbc:mysql://ml:$w@db/x
jdbc:oracle:thin:ml/$w@db:1521:x
Driver={ODBC Driver 18};Server=db;UID=ml;PWD=$w;
Driver={x};Server=db;Uid=ml;Pwd={$w};Encrypt=yes
Server=db;User Id=ml;Password=$w;
Data Source=db;Password=$w;User ID=ml
host=db user=ml password='$w' dbname=x
DefaultEndpointsProtocol=https;AccountName=x;AccountKey=$b86==;EndpointSuffix=core
Endpoint=sb://x/;SharedAccessKeyName=Root;SharedAccessKey=$b43=
BlobEndpoint=https://x;SharedAccessSignature=sv=2024&sig=$b43%3D
HostName=x;DeviceId=d;SharedAccessKey=$w
https://x.blob.lab/c?sv=2024-01-01&se=2027&sp=r&sig=$b43%3D
https://x.s3.lab/o?X-Amz-Credential=$U20%2F2026&X-Amz-Signature=$h64
https://x.s3.lab/o?AWSAccessKeyId=x&Signature=$b27%3D&Expires=1
https://storage.lab/o?X-Goog-Signature=$h128
https://apis.data.go.kr/x?serviceKey=$w&page=1
https://opendart.fss.or.kr/api/x?crtfc_key=$h40
https://x/?access_token=$w
https://x/?api_key=$w
https://x/?apikey=$w&y=1
https://x/?auth=$w
https://x/?secret=$w#top
https://fn.lab/api/x?code=$r40
https://hooks.slack.com/services/T0/B0/$r24
https://hooks.zapier.com/hooks/catch/1/$r12
https://discord.com/api/webhooks/$d18/$b68
https://ptb.discord.com/api/webhooks/$d18/$b68
https://lab.webhook.office.com/webhookb2/$h32@x/IncomingWebhook/$h32/y
https://chat.lab/hooks/$r26
https://wh.jandi.com/connect-api/webhook/1/$h32
https://chat.googleapis.com/v1/spaces/A/messages?key=$b39&token=$b43
https://oapi.dingtalk.com/robot/send?access_token=$h64
https://maker.ifttt.com/trigger/x/with/key/$b22
https://api.telegram.org/bot$d10:$b35/sendMessage
https://prod-1.westus.logic.azure.com:443/workflows/$h32/triggers/m/paths/invoke?sig=$b43
비밀번호: $w
비밀번호=$w
DB 비밀번호 : $w
관리자 비밀번호 = "$w"
암호: $w
패스워드 => $w
인증키: $w
API 키: $w
토큰: $w
{"비밀번호": "$w"}
{'암호': '$w', 'lr': 1}
비밀번호는 $w 입니다
비밀번호:\n  $w
--비밀번호 $w
{"env": [{"name": "DB_PASSWORD", "value": "$w"}]}
{'name': 'DB_PASSWORD', 'value': '$w'}
{"value": "$w", "name": "DB_PASSWORD"}
{"key": "api_key", "value": "$w"}
- name: DB_PASSWORD\n  value: $w
- name: DB_PASSWORD\n  value: "$w"
- value: $w\n  name: DB_PASSWORD
name=DB_PASSWORD value=$w
<property><name>db.password</name><value>$w</value></property>
<property name="password" value="$w"/>
<add key="ApiKey" value="$w" />
<setting name="Token">$w</setting>
{"auth": {"value": "$w"}}
{'auth': {'user': 'kim', 'value': '$w'}}
{"api": {"key": "$w"}}
{'credentials': {'ml': '$w'}}
auth:\n  value: $w
auth:\n  user: kim\n  value: $w
api:\n  key: $w
openai:\n  key: $w
credentials:\n  default:\n    value: $w
Config(password='$w', lr=1)
Namespace(lr=0.1, api_key='$w')
DBConfig(user='ml', passwd='$w')
{"password":"$w"}
{\"password\": \"$w\"}
password: $w
password is $w7
the secret is: $w
API key: $w
secret key: $w
Access key = $w
your API key is $w9
pass: $w
Your password is: $w
the password "$w" was refused
pw=$w
user/pw: ml/$w
ID/PW: ml/$w
username: ml, password: $w
password\t$w
| HF_TOKEN | $w |
DB_PASSWORD,$w
passwords: [$w, $w]
secret: !vault $w
password: &p $w
password : "$w" # old
db_password: str = "$w"
os.environ["HF_TOKEN"] = "$w"
os.environ.setdefault("HF_TOKEN", "$w")
os.getenv("HF_TOKEN", "$w")
login(token="$w")
wandb.login(key="$w")
HfApi(token='$w')
openai.api_key = "$w"
boto3.client("s3", aws_secret_access_key="$w")
connect(user="ml", password="$w")
ssh.connect("h", username="ml", password="$w")
getpass("password: ") -> $w
PuTTY-User-Key-File-3: ssh-rsa\nPrivate-Lines: 1\n$b64\nPrivate-MAC: $h64
-----BEGIN OPENSSH PRIVATE KEY-----\n$b70\n-----END OPENSSH PRIVATE KEY-----
-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n$b64\n-----END PGP PRIVATE KEY BLOCK-----
-----BEGIN EC PRIVATE KEY-----\\n$b64\\n-----END EC PRIVATE KEY-----
-----BEGIN ENCRYPTED PRIVATE KEY-----\n$b64
machine github.lab login kim password $w
machine x\nlogin y\npassword $w
machine x login y password $w account z
postgres://ml:$w@h:5432/x
mysql://root:$w@h/x
mssql+pyodbc://sa:$w@h/x?driver=y
mongodb://ml:$w@a,b,c/x
redis://ml:$w@h
amqps://ml:$w@h/v
ldap://cn=ml:$w@h
mqtt://ml:$w@h:1883
smtp://ml:$w@h:587
sftp://ml:$w@h/x
ws://ml:$w@h
s3://ml:$w@bucket
presto://ml:$w@h/x
ml:$w@localhost:3306/x
Server=h;Uid=ml;Pwd=$w
Server=h;User ID=ml;Password="$w"
DSN=x;UID=ml;PWD=$w
jdbc:postgresql://h/x?password=$w&user=ml
jdbc:mysql://h/x?user=ml&password=$w
jdbc:snowflake://x/?user=u&password=$w
AccountName=x;AccountKey=$w==
Endpoint=sb://x;SharedAccessKeyName=k;SharedAccessKey=$w
https://x.blob/c?sp=r&sig=$w
https://x?token=$w
https://x/?a=1&password=$w
https://x/login?user=ml&pw=$w
https://api.x/v1?client_secret=$w
https://x/?authKey=$w
https://x/?confmKey=$w
https://x/#access_token=$w
"Authorization": "Bearer $w"
'authorization': 'Token $w'
{'headers': {'Authorization': 'Bearer $w'}}
x-api-key: $w
X-Vault-Token: $w
PRIVATE-TOKEN: $w
Cookie: sessionid=$w
password='$w'
password = '$w'
"password" : "$w"
password:"$w"
PASSWORD=$w
Password: $w
{"name":"HF_TOKEN","value":"$w"}
{"Name": "password", "Value": "$w"}
[{"key": "DB_PASS", "value": "$w"}]
{"value":"$w","key":"api_key"}
[{'name': 'lr', 'value': 1}, {'name': 'token', 'value': '$w'}]
- key: api_key\n  value: $w
  - name: WANDB_API_KEY\n    value: "$w"
name: DB_PASSWORD\nvalue: $w
env:\n- name: A\n  value: b\n- name: HF_TOKEN\n  value: $w
name: password, value: $w
name="token" value="$w"
<param name="password">$w</param>
<entry key="password">$w</entry>
<password>$w</password>
<Password value="$w"/>
[auth]\nvalue = $w
[credentials]\nuser = ml\nvalue = $w
[api]\nkey = $w
[openai]\nkey = "$w"
auth:\n  - $w
auth:\n  basic:\n    user: ml\n    value: $w
credentials:\n  - name: x\n    value: $w
api:\n  production:\n    key: $w
api: {key: $w}
credentials: {user: ml, value: $w}
auth={'value': '$w'}
AuthConfig(value='$w')
Credentials(user='ml', value='$w')
Settings(api=Api(key='$w'))
OpenAI(api_key='$w')
connect(password='$w')
비밀번호 : $w
비밀번호="$w"
비번: $w
패스워드: $w
패스워드=$w
암호는 $w
DB 암호: $w
접속 비밀번호: $w
토큰=$w
API 토큰: $w
허깅페이스 토큰: $w
인증키=$w
서비스키: $w
"인증키": "$w"
아이디/비번: kim/$w
아이디: kim 비밀번호: $w
ID: kim / PW: $w
{"이름": "비밀번호", "값": "$w"}
username=ml password=$w
pwd: $w
passwd = $w
passphrase: $w
the token is $r24
token: $w
Token=$w
secret=$w
api_key $w9
api key = $w
API_KEY: $w
access token: $w
Bearer $r24
token hvs.$b24
sk-proj-$b60
sk-ant-api03-$b93
pypi-AgEIcHlwaS5vcmcC$b60
AIzaSy$b33
whsec_$b32
machine huggingface.co login kim password hf_$r34
machine api.neptune.ai login kim password $w
machine a login b password $w machine c login d password $w
redis://user:$w@h:1/0?ssl=1
"postgresql://ml:$w@h"
url=mysql://ml:$w@h/x;a=b
kafka: sasl.jaas.config=x required username="u" password="$w";
sasl.password=$w
spring.datasource.password: $w
spark.hadoop.fs.s3a.secret.key $w
Provider=x;Data Source=h;User Id=u;Password=$w;Encrypt=no
Server=tcp:h,1433;User ID=u;Password={$w};
mongodb://u:$w@h/?authSource=admin
ftp user=ml pass=$w
AZURE_STORAGE_CONNECTION_STRING="DefaultEndpointsProtocol=https;AccountName=x;AccountKey=$b86=="
ERROR: login failed for ml with password '$w'
Invalid token: $r24
Using token $r30
Your API key: $w
API-Key: $w
(api_key=$w)
password=\"$w\"
{"password":{"value":"$w"}}
{"auth":{"type":"basic","value":"$w"}}
{"credentials":[{"id":"x","secret":"$w"}]}
{"env":{"DB_PASSWORD":"$w"}}
{'env': [{'name': 'X', 'value': 'y'}, {'name': 'API_KEY', 'value': '$w'}]}
{"name": "api_key", "type": "str", "value": "$w"}
{"name": "api_key", "description": "the key, long", "value": "$w"}
{\n  "name": "DB_PASSWORD",\n  "value": "$w"\n}
- {name: DB_PASSWORD, value: $w}
- name: 'DB_PASSWORD'\n  value: '$w'
- name: DB_PASSWORD\n  # the value\n  value: $w
env:\n  - name: TOKEN\n    value: >-\n      $w
env:\n    DB_PASSWORD:\n        value: $w
auth:\n    value: "$w"\n    kind: x
credentials:\n- user: ml\n  value: $w
credentials:\n    ml: $w
secrets:\n  db: $w
api:\n    key: '$w'
api:\n  # for x\n  key: $w
wandb:\n  key: $w
users:\n- name: x\n  user:\n    token: $w
[database]\nuser = ml\npassword = $w
[remote "x"]\n    access_key_id = y\n    secret_access_key = $w
[wandb]\nkey=$w
[DEFAULT]\napi_key=$w
<user>ml</user><pass>$w</pass>
<add name="x" connectionString="Server=h;Password=$w" />
<entry key="api.token" value="$w"/>
|password|$w|
| name | value |\n| db_password | $w |
password -> $w
password := $w
비밀번호 → $w
비밀번호는 '$w'
비밀번호(ml): $w
auth:\n  basic_value: a\n  value: value$w
패스워드 : "$w"
사용자명: ml, 비밀번호: $w
계정/비밀번호: ml/$w
로그인 암호: $w
암호 = $w
인증 토큰: $w
액세스 토큰 = $w
API 인증키 = $w
카카오 앱키: $w
"""

TOKENS = r"""
ghp_$r36 gho_$r36 ghu_$r36 ghs_$r36 ghr_$r36 github_pat_$r22_$r59 glpat-$b20 gldt-$b20
glrt-$b20 glcbt-$b20 glptt-$h40 GR1348941$b20 xoxb-$d12-$d12-$r24 xoxp-$d12-$d12-$h32
xoxa-2-$r24 xoxr-$r24 xapp-1-$U11-$d13-$h64 AKIA$U16 ASIA$U16 AIza$b35 ya29.$b60
GOCSPX-$b28 sk-$r48 sk-proj-$b74T3BlbkFJ$b74 sk-svcacct-$b60 sk-ant-api03-$b93AA
sk-or-v1-$h64 hf_$r34 api_org_$r34 hvs.$b90 hvs.$b24 hvb.$b130 hvr.$b24 s.$r24 npm_$r36
pypi-AgEIcHlwaS5vcmc$b70 dckr_pat_$b27 dckr_oat_$b32 dop_v1_$h64 doo_v1_$h64
SG.$b22.$b43 SK$h32 sk_live_$r24 rk_live_$r24 sk_test_$r24 whsec_$r32 $d10:AA$b33
$d9:AAF$b32 eyJhbGciOiJIUzI1NiJ9.eyJ$b40.$b43 AGE-SECRET-KEY-1$U58 $r14.atlasv1.$b64
dapi$h32 dapi$h32-2 glsa_$r32_$h8 glc_eyJ$b60 ntn_$r46 secret_$r43 lin_api_$r40
lin_oauth_$h64 r8_$r37 gsk_$r52 pplx-$r48 nvapi-$b64 xai-$r80 fw_$r24 tgp_v1_$b43
tvly-$r32 tvly-dev-$r32 pcsk_$r6_$r50 lsv2_pt_$h32_$h10 pk-lf-$h8-$h8-$h12
sk-lf-$h8-$h4-$h4-$h12 NRAK-$U27 shpat_$h32 sq0csp-$b43 EAAA$b60 key-$h32 $h32-us12
LTAI5t$r18 AKID$r32 v1.0-$h24-$h146 CFPAT-$b43 PMAK-$h24-$h34 rubygems_$h48 sbp_$h40
tskey-auth-$r12-$r32 ATATT3xFf$b60 dp.st.prd.$r43 dp.pt.$r43 pul-$h40 ops_eyJ$b80
fo1_$b43 FlyV1_fm2_$b60 sntrys_eyJ$b60 sntryu_$h64 MTA$r21.$b6.$b27 mfa.$b84 aB~8Q~$b33
AAAA$b7:$b140 nfp_$r36 csk-$r48 cpk_$h32.$h32.$r32 sgp_$h40 bkua_$h40 CCIPAT_$r22_$h40
figd_$b40 pat$r14.$h64 waka_$h8-$h4-$h4-$h4-$h12 tfp_$b44 p8e-$h32
A3-$U6-$U11-$U5-$U5-$U5 pscale_pw_$b43 pscale_tkn_$b43 jina_$h32$r28 pa-$b43 rnd_$r28
rpa_$U42 eyJhcGlfYWRkcmVzcyI6I$b60==
""".split()
"""Tokens that are known by their shape, as their issuers published it."""

INNOCENT_VALUES = r"""
{tokenizer: bert-base-uncased, tokenizer_class: LlamaTokenizerFast}
{tokenizer: {type: BPE, path: tok/ko_32k.json}}
{max_tokens: 4096, num_tokens: 1000, tokens_seen: 1.5e9, max_new_tokens: 256}
{tokens_per_second: 1200, n_tokens: 3, token_count: 12, total_tokens: 5}
{pad_token: <pad>, eos_token: "</s>", bos_token: "<s>", unk_token: "[UNK]"}
{mask_token: "[MASK]", cls_token: "[CLS]", sep_token: "[SEP]"}
{special_tokens: ["<pad>", "<s>"], additional_special_tokens: ["<|im_start|>"]}
{token: <pad>}
{token_type_ids: true, token_dropout: 0.1, token_pooling: mean}
{num_keys: 64, key_dim: 64, n_keys: 4, key_size: 128, key_length: 12}
{key_value_proj_dim: 64, key_padding_mask: true, query_key_norm: rms}
{sort_key: loss, primary_key: id, foreign_key: user_id, partition_key: day, group_key: fold}
{monitor_key: val_loss, metric_key: accuracy, image_key: pixels, label_key: label}
{cache_key: resnet50-v2, lookup_key: name, index_key: idx, dict_key: state}
{input_keys: [a, b], output_keys: [logits], batch_keys: [x, y], state_keys: [obs]}
{key: value, keys: [a, b]}
{author: Kim, authors: [Kim, Lee], authority: lab, authored: yes}
{author_email: kim@lab.example, maintainer: Lee <lee@lab.example>}
{pass_through: all, bypass: true, passes: 3, n_pass: 2, num_passes: 4}
{forward_pass: eager, compass: north, passenger: 4, lowpass: 0.1, passband: 3}
{password_strength_loss: 0.5, password_policy: strict, password_length: 12}
{secretary: pool-of-four, secret_count: 3, secretion: low}
{vocab: ["<pad>", "the", "cat"]}
{weights_sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08}
{sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855}
{checksums: {md5: d41d8cd98f00b204e9800998ecf8427e}}
{git_commit: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b, commit: 9f86d08}
{git: {sha: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b, branch: main}}
{dvc: {md5: d41d8cd98f00b204e9800998ecf8427e.dir}}
{run_id: 5bc8fbbc-bde5-4099-8164-d8399f767c45, uuid: 5bc8fbbc-bde5-4099-8164-d8399f767c45}
{run_name: exp-a8Kd03jfK2lq9ZpX, wandb_id: 3k2j9x1a}
{run_id: vytxeTZskVKR7C7WgdSP3d}
{run: quirky-lemur-42, trial: trial_7fa3c_00001, sweep_id: q8w7e6r5}
{run_dir: outputs/2026-11-23/10-31-22, log_dir: /data/exp/resnet50_lr0.1}
{path: /home/kim/keys_and_tokens/tokens.txt, ckpt: ckpt/epoch=3-step=1200.ckpt}
{token_file: data/tokens.bin, key_file: data/keys.npy, vocab_file: vocab.txt}
{url: "https://example.org:8080/a?b=c", repo: "https://github.com/org/repo.git"}
{repo: "git@github.com:org/repo.git", uri: "s3://bucket/path/to/data"}
{tracking_uri: "http://localhost:5000", db: "sqlite:///mlflow.db"}
{dist_url: "tcp://10.0.0.1:23456", endpoint: "localhost:8080", addr: "0.0.0.0:6006"}
{email: kim@lab.example, contact: "mail:kim@lab.example"}
{image: "python:3.11@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}
{api: rest, api_version: v2, api_host: localhost, api_url: "http://localhost/v1"}
{api: {version: v2, host: localhost, port: 8080, type: rest, timeout: 30}}
{auth: none, auth_type: oauth, auth_enabled: false, use_auth: true}
{auth: {type: none, method: oauth, enabled: false, provider: google}}
{credentials: null, password: null, token: null, api_key: ""}
{credentials_required: false, has_password: true, use_token: true}
{module: torchvision.models.resnet50, target: src.models.Transformer2DModel}
{model: facebook/wav2vec2-large-960h-lv60-self, arch: eva02_large_patch14_448_mim_m38m}
{model: sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2}
{cuda_arch_list: "7.0;7.5;8.0;8.6;9.0+PTX", gencode: "arch=compute_90,code=sm_90"}
{date: 2026-11-23, started: "2026-11-23T10:31:22+09:00", time: "10:31:22"}
{monkey: capuchin, keyboard: qwerty, turkey: roast, donkey: grey, hockey: ice}
{keypoints: 17, keyframe: 5, keyword: loss, keywords: [a, b], key_metric: f1}
{optimizer: {name: adam, value: 0.1}, scheduler: {name: cosine, value: 10}}
{params: [{name: lr, value: 0.1}, {name: tokenizer, value: bpe}, {name: max_tokens, value: 512}]}
{params: [{key: sort_key, value: loss}, {name: pad_token, value: <pad>}, {name: author, value: Kim}]}
{features: [{name: password_length, value: mean}, {name: n_pass, value: two}]}
{dataset: {name: wikitext, default: train, content: text}}
{search_space: {lr: {type: float, value: log}, key: {type: str, value: relu}}}
{layer: {name: conv_pw, value: same}, patch: {pat: "*.png", file_pat: "*.jpg"}}
{signal: sigmoid, sig: sigmoid, signature: "(x, y)", sign: plus}
{connection: residual, connections: dense, skip_connection: true, connectivity: full}
{session: morning, session_id: 3, session_name: warmup}
{cookiecutter: data-science, webhooks_enabled: false}
{credit: full, accredited: yes, discredit: no}
{encoder: {key: linear, query: linear, value: linear}, shared: {encoder: {key: linear}}}
{app: {model: {key: conv, head_key: mlp}}, linear: {key: wk}, client: {routing_key: a}}
{attention: {key: wk, value: wv, query: wq}}
{aws: {region: us-east-1, bucket: data, key: datasets/train.csv}}
{s3: {bucket: data, key: datasets/train.csv}, s3_key: a/b.csv}
{openai: {model: gpt-4o, temperature: 0.1}, wandb: {project: x, entity: lab, mode: offline}}
{huggingface: {repo: org/x, revision: main}, hub: {strategy: every_save}}
{vault: archive, registry: ghcr.io/lab, account: lab-a100, login: kim, user: kim}
{database: {host: db, port: 5432, user: ml, name: runs}}
{login: {node: login01, host: cluster}, slurm: {account: lab, partition: gpu}}
{pin_memory: true, pin: 4, pinned: no, pins: [1, 2]}
{seed: 42, seeds: [1, 2], random_seed: 7, seed_everything: 1, data_seed: abc}
{salt_and_pepper: 0.1, otpimizer: x, code: base, codec: h264, code_dim: 8}
{recovery: auto, backup: daily, license: Apache-2.0, private: true, access: public}
{hook: forward, hooks: [save, log], webhook_count: 1}
{토큰수: 4096, 최대_토큰: 512, 토큰_길이: 128, 토크나이저: 형태소, 패딩토큰: <pad>}
{입력_토큰: 한국어, 종료_토큰: 끝, 특수토큰: [시작, 끝], 토큰화: 음절}
{키: 175, 정렬키: 손실, 기본키: 번호, 키워드: 학습, 키보드: 두벌식, 키포인트: 17}
{암호화: 없음, 암호화_방식: aes, 비밀번호_길이: 12, 쿠키런: 게임, 암호_데이터셋: 시저}
{학습률: 0.1, 배치크기: 32, 모델: 버트, 작성자: 김철수, 설명: 인증 없음}
{인증: 없음, 접속: 로컬, 웹: 아니오, 패스: 두번}
{tensor_name: model.layers.0.self_attn.k_proj.weight, hash_fn: murmur3}
{lora: r8_alpha16_dropout005, run: fw_resnet50_bs256, exp: s.transformer_base_ko}
{exp: key-value-memory-network-2026, name: npm_lstm_2layers, tag: ts_forecast_v2}
{variant: sk-learn-random-forest-classifier, note: sk-SVC-rbf-kernel-gamma-auto}
{tag: pa-transformer-large-patch16, model: xai-shap-kernel-explainer-v2, m: csk-net-3b}
{checkpoint: hf_wav2vec2basemodelXL, ablation: up_conv_2x_bilinear_256}
{note: the password policy of the dataset was changed, task: token classification}
{note: tokens per second rose, comment: the author passes the key metric}
{description: "Predict the next token: answer", goal: "per-token: cross-entropy"}
{command: "python train.py -p 4 --max_tokens 512 --tokenizer bpe --key_dim 64"}
{command: "docker run -p 8080:80 -u 1000:1000 img", cmd: "psql -h db -p 5432 -U ml"}
{command: "mysql -u ml -h db -P 3306 ml", sync: "rsync -a -P src host:dst"}
{command: "curl -u https://x", run: "mkdir -p out && cp -a x y && ssh -p 2222 kim@h"}
{command: "train.py --pass 2 --passes 3 --n-pass 4 --token-level --auth none"}
{range: 1-0007, version: 1.10.0, phone: "02-123-4567", size: 3x224x224}
{kernel: "3,3", betas: "(0.9, 0.999)", grid: [[1, 2], [3, 4]], layers: [64, 128, 256]}
{name: lr, value: 3e-4}
{options: [{label: Password strength, value: high}, {label: Tokenizer, value: wordpiece}]}
{base64_encoder: Conv1dBnReLU6X2MaxPool3dLayerNorm, b64: SE-ResNeXt101-32x8d-wsl}
{pass_rate: 0.9, num_pass: 2, passing: yes, passed: 3}
{code: 3, codes: [1, 2], codebook_size: 512, decode: greedy, barcode: ean}
{class_token: mean, token_merging: tome, patch_token: avg, n_prefix_tokens: 1}
{key_bias: true, key: q, head_key: mlp, config_key: base, key_name: x}
{account: gpu, accounts: [a], service: train, services: [a, b], app: vit}
{client: local, consumer: 3, master: node01, master_addr: 10.0.0.1, master_port: 29500}
{shared: true, shared_layers: 3, security: low, recovery: none, backup: s3}
{api_name: predict, api_version: "1.0", api_type: azure, use_api: false}
{auth_backend: pam, author_id: 3, authorize: no}
{secretary_problem: true, secrets_found: 0}
{signature_def: serving_default, signature: predict, sign: 1}
{connection_type: dense, conn: tcp, connector: mlp}
{hook_type: forward, webhook_enabled: true}
{mnemonics: false, phrase_table: pt.gz, phrase: the cat sat}
{seed_phrase_count: 3, catchphrase: hi, paraphrase_model: x}
{password_field: pw_hash, dataset: rockyou, task: password_strength}
{tokenizer_name: ko-bpe, tokens: [the, cat], text_tokens: 77, num_image_tokens: 256}
{bot: alpha, bottleneck: 64, session: 3, csrf: off}
{optimizer: sgd, hmac: off, rsa: 3, aes: none, psk_rate: 0.5}
{otp_dropout: 0.1, optimizer_key: adam, param_key: lr}
{모델: 토큰분류, 토큰: <pad>, 토큰_수: 5, 키_차원: 64, 키: 값}
{암호화폐: 비트코인, 비밀: 없음, 인증_방식: none, 쿠키런: 1, 위스키: 한잔}
{패스: 3, 바이패스: on, 패스트: 1, 열쇠: 그림}
{experiment_key: baseline, run_key: r1, task_key: ner, dataset_key: cifar10}
{unique_key: id, composite_key: a_b, join_keys: [id], map_key: k}
{keymap: x, keyed: y, keyword_args: z, hotkey: ctrl, hockey: ice}
{name: resnet, value: 3, key: a}
{callbacks: [{name: early_stopping, value: 3}, {name: checkpoint, value: best}]}
{metrics: [{name: token_accuracy, value: 0.9}, {name: auth_loss, value: 0.1}]}
{vars: [{name: PATH, value: /usr/bin}, {name: LANG, value: ko_KR.UTF-8}]}
{env: [{name: CUDA_VISIBLE_DEVICES, value: "0,1"}, {name: OMP_NUM_THREADS, value: "8"}]}
{logger: {wandb: {project: x, entity: y, tags: [a]}}, callbacks: [{class: Slack}]}
{dataset: {key: image, text_key: caption, tokens: 512}, transform: {keys: [image, label]}}
{hub: {model_id: org/x, private: false, token_classification: true}}
{monai: {keys: [image, label], allow_missing_keys: true, key: pred}}
{providers: [{name: cpu, key: value}], provider: cuda}
{api: {base: "http://localhost:8000/v1", model: llama}}
{auth: {enabled: false}, use_auth: false, auth_retries: 3}
{rng_key: [0, 42], prng_impl: threefry, key_seed: 4}
{lora: {r: 8, alpha: 16, target: [q_proj, k_proj, v_proj]}}
{sae: {l1: 0.1, code_dim: 512, codes: sparse}, vq: {codebook: ema, code: x}}
{reward: {token_level: true, per_token: false, token_penalty: 0.1, stop_token: "###"}}
{generation: {bad_words: [a], forced_bos_token: ko, begin_token: x}}
{tokenizer: {unk: "<unk>", special_token_map: a.json, add_token: "no"}}
{passages: 100, passage_len: 128, pass_at_k: [1, 10], passkey_retrieval: hard}
{compass_ko: 1, surpass: no, impasse: 2, passport_ocr: crnn, overpass: osm}
{pwconv: true, pw_conv: relu, dw_pw: x, pwm: 3, powder: talc}
{secretome: protein, credit_card: fraud, credibility: high, accreditation: x}
{cookie_dough: 3, webhook: null, hook: relu, connect: dense, conn_radius: 3}
{otpimal: x, option: a, adopt: b, code_rate: 0.5, zip_code: "06236", postal_code: 13494}
{key_frames: 3, keyframe_key: kf, musical_key: C-major, skeleton_key: coco17, answer_key: A}
{signature_size: 3, sig_level: 0.05, design: x, config: small}
{authors_note: hi, coauthor: lee, authentic: yes, authenticity_loss: 0.1}
{license: MIT, license_plate: kor, deploy: no, storage: ssd, account_type: gpu}
{토큰당_손실: 0.1, 문장_토큰: 12, 토큰_임베딩: 사인, 키값: 3, 핵심_키워드: 학습}
{암호문: 시저, 암호학: 공개키, 인증서: 없음, 인증률: 0.9, 비밀번호_강도: 높음}
{코드: 3, 패스율: 0.3, 로그인: 서버1, 접속: 원격, 계정: 김철수}
"""

INNOCENT_TEXTS = r"""
https://github.com/org/repo/workflows/Tests2/badge-large.svg?branch=main
class Auth:\n    def __init__(self, auth):\n        self.auth: str | None = None
def ask_password(message: str) -> str:
token (Optional[str]): If specified, overrides
columns: step, v01_password, v02_password, api_key, v03_password, loss2
the fields are user_password, password2_hash and api_key3x
epoch 3: loss 0.5, 12000 tokens/s, tokens: 12.5M, token=1.5k
Total tokens: 5,000,000
KeyError: 'token'
KeyError: 'password'
assert key in state_dict, key
missing keys: [layer.weight], unexpected keys: [head.bias]
<All keys matched successfully>
keys: dict_keys(['a', 'b'])
(q): Linear(1), (key): Linear(in_features=64, out_features=64), (value): Linear(64)
self_attn.k_proj.weight 4096x1024, key.weight 768x768
(cls_token): Embedding(50257, 768)
(conv_pw): Conv2d(3, 8, kernel_size=(1, 1))
PASS: test_one\nPASS: test_two
all checks pass: yes
forward pass: 12 ms, backward pass: 30 ms
token classification of news, token-level loss
the key: value memory of the network
auth = find_auth(url)
credentials_to_save = None
password=None, token=None, api_key=''
password: ***
api_key=<redacted>
commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b stays
sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
PWD=/home/me
- name: lr\n  value: 0.1\n- name: tokenizer\n  value: bpe
{"name": "lr", "value": 0.1}, {"name": "author", "value": "Kim"}
api:\n  host: localhost\n  version: v2\n
auth:\n  type: none\n  enabled: false\n
encoder:\n  key: linear\n  value: linear\n
data:\n  sort_key: loss\n  key: loss\n
docker run -p 8080:80 img
docker login ghcr.io
mkdir -p out/x && python -m train -p 3
ssh -p 2222 kim@host.example:/data/x
scp a kim@host.example:/data/x
git@github.com:org/repo.git
python:3.11@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
mail:kim@lab.example
https://host:8080/a/b@c
https://docs.lab/guide/webhooks/overview
Login: kim, node: login01
wandb login
wandb: Currently logged in as: kim (lab). Use `wandb login --relogin` to force relogin
wandb: Run `wandb offline` to turn off syncing.
huggingface-cli login
Token is valid (permission: read).
Your token has been saved to /home/kim/.cache/huggingface/token
Password authentication failed for user "ml"
No API key found; set WANDB_API_KEY
토큰 수: 4096, 최대 토큰: 512
키: 175, 몸무게: 70
암호화 없음
비밀번호 길이: 12
다음 토큰: 을 예측
키 값: 3
File "/x/auth.py", line 3, in login\n    token = get_token(user)
File "/x/tokenizer.py", line 9\n    tokens = tokenizer(text)
raise KeyError(key) from None
for key, value in state.items():
return self.tokenizer.pad_token_id
2026-11-23 10:31:22,123 INFO trainer: step=1200 loss=0.5
"""


def lines(table: str) -> list[str]:
    """Return the shapes of a *table*, one a line."""
    return [line for line in table.split("\n") if line]
