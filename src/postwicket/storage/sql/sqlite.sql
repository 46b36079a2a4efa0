-- The statements of the SQLite store: a name, a line that says why it is shaped so, the statement.
-- One row of question marks after VALUES is repeated for each row of a batch (see named.py).

-- add messages --
-- One statement for the whole batch: each call of the driver lets go of Python's lock.
INSERT INTO message (id, account, sender, declared, body_type, smtputf8, ret, envid, size,
                     received, expires, message_id, subject, lane, demands, header)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- add bodies --
-- Apart from the message, so that bytes can be let go while the message can be asked about.
INSERT INTO body (message, file, size, data) VALUES (?, ?, ?, ?);

-- add deliveries --
-- Born queued; `was_due` is where the claim of birth returns to when it is given back.
INSERT INTO delivery (message, number, recipient, notify, orcpt, state, attempts, due, was_due,
                      claimed_by, urgency, warned, route, cause, reply, site, why)
VALUES (?, ?, ?, ?, ?, 'queued', 0, ?, ?, ?, ?, 0, '', '', '', '', '');

-- add entries --
-- The journal is only ever appended to.
INSERT INTO entry (at, kind, message, data) VALUES (?, ?, ?, ?);

-- add keys --
-- Sender and recipient may be the same word.
INSERT OR IGNORE INTO search (key, message) VALUES (?, ?);

-- add attempts --
-- One row a try, transcript included; the count is the delivery's own.
INSERT INTO attempt (message, number, count, at, seconds, route, remote, tls, reply, transcript,
                     trust)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- settle --
-- Fenced: only while the claim is the settler's and no attempt came between.  The number of rows
-- changed tells whether all took effect, which is nearly always and then all there is to ask.
-- (No WITH: before it the driver counts no rows.)
UPDATE delivery
   SET state = change.state, attempts = delivery.attempts + change.tried, due = change.due,
       was_due = NULL, claimed_by = NULL, warned = max(delivery.warned, change.warned),
       route = change.route, cause = change.cause, reply = change.reply, site = change.site,
       why = change.why
  FROM (SELECT column1 AS message, column2 AS number, column3 AS claimed_by, column4 AS attempts,
               column5 AS state, column6 AS tried, column7 AS due, column8 AS warned,
               column9 AS route, column10 AS cause, column11 AS reply, column12 AS site,
               column13 AS why
          FROM (VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?))) AS change
 WHERE delivery.message = change.message AND delivery.number = change.number
   AND delivery.claimed_by = change.claimed_by AND delivery.attempts = change.attempts;

-- bodies to let go --
-- Of messages that need their bytes no more: nothing open, nothing in the inbox.
SELECT message, file FROM body
 WHERE message IN (SELECT value FROM json_each(?))
   AND NOT EXISTS (SELECT 1 FROM delivery
                    WHERE delivery.message = body.message
                      AND state IN ('queued', 'deferred', 'uncertain', 'held', 'captured'));

-- let bodies go --
-- By key: the list was made in the same transaction.
DELETE FROM body WHERE message IN (SELECT value FROM json_each(?));

-- usage totals --
-- The sums are kept, so that a check costs one row however busy the day was.
SELECT account, minute, messages, recipients FROM usage_total
 WHERE account IN (SELECT value FROM json_each(?));

-- end usage --
-- Minutes that left the window, once a minute and account; what they held is taken off the sum.
DELETE FROM usage WHERE account = ? AND minute <= ? RETURNING messages, recipients;

-- add usage --
-- One row a minute: a day is at most 1441 rows an account.
INSERT INTO usage (account, minute, messages, recipients) VALUES (?, ?, ?, ?)
    ON CONFLICT (account, minute) DO UPDATE
   SET messages = messages + excluded.messages, recipients = recipients + excluded.recipients;

-- set usage totals --
-- Under the write lock, so the sum that was read is still the sum.
INSERT OR REPLACE INTO usage_total (account, minute, messages, recipients) VALUES (?, ?, ?, ?);

-- usage minutes --
-- Oldest first: whoever was refused is told when enough of them have left the window.
SELECT minute, messages, recipients FROM usage WHERE account = ? AND minute > ? ORDER BY minute;

-- usage --
-- The kept sum less what has left the window since it was kept.
SELECT t.messages - coalesce(sum(u.messages), 0), t.recipients - coalesce(sum(u.recipients), 0)
  FROM usage_total AS t LEFT JOIN usage AS u ON u.account = t.account AND u.minute <= :ended
 WHERE t.account = :account GROUP BY t.account;

-- next due --
-- The first unclaimed of each urgency, and the first lease to end of each slot and urgency: as
-- many index look-ups as there are of those, found by leaps along the index.
WITH RECURSIVE free (u) AS (
  SELECT * FROM (SELECT urgency FROM delivery INDEXED BY delivery_due
                  WHERE due IS NOT NULL AND claimed_by IS NULL ORDER BY urgency LIMIT 1)
   UNION ALL
  SELECT (SELECT urgency FROM delivery INDEXED BY delivery_due
           WHERE due IS NOT NULL AND claimed_by IS NULL AND urgency > free.u
           ORDER BY urgency LIMIT 1)
    FROM free WHERE free.u IS NOT NULL),
slot (n) AS (
  SELECT * FROM (SELECT claimed_by FROM delivery INDEXED BY delivery_due
                  WHERE due IS NOT NULL AND claimed_by IS NOT NULL ORDER BY claimed_by LIMIT 1)
   UNION ALL
  SELECT (SELECT claimed_by FROM delivery INDEXED BY delivery_due
           WHERE due IS NOT NULL AND claimed_by > slot.n ORDER BY claimed_by LIMIT 1)
    FROM slot WHERE slot.n IS NOT NULL),
held (n, u) AS (
  SELECT slot.n, (SELECT urgency FROM delivery INDEXED BY delivery_due
                   WHERE due IS NOT NULL AND claimed_by = slot.n ORDER BY urgency LIMIT 1)
    FROM slot WHERE slot.n IS NOT NULL
   UNION ALL
  SELECT held.n, (SELECT urgency FROM delivery INDEXED BY delivery_due
                   WHERE due IS NOT NULL AND claimed_by = held.n AND urgency > held.u
                   ORDER BY urgency LIMIT 1)
    FROM held WHERE held.u IS NOT NULL)
SELECT min(due) FROM (
  SELECT (SELECT due FROM delivery INDEXED BY delivery_due
           WHERE due IS NOT NULL AND claimed_by IS NULL AND urgency = free.u
           ORDER BY due LIMIT 1) AS due
    FROM free WHERE free.u IS NOT NULL
   UNION ALL
  SELECT (SELECT due FROM delivery INDEXED BY delivery_due
           WHERE due IS NOT NULL AND claimed_by = held.n AND urgency = held.u
           ORDER BY due LIMIT 1)
    FROM held WHERE held.u IS NOT NULL);

-- urgencies --
-- What waits unclaimed, by leaps: at most 38 however long the queue.
WITH RECURSIVE free (u) AS (
  SELECT * FROM (SELECT urgency FROM delivery INDEXED BY delivery_due
                  WHERE due IS NOT NULL AND claimed_by IS NULL ORDER BY urgency LIMIT 1)
   UNION ALL
  SELECT (SELECT urgency FROM delivery INDEXED BY delivery_due
           WHERE due IS NOT NULL AND claimed_by IS NULL AND urgency > free.u
           ORDER BY urgency LIMIT 1)
    FROM free WHERE free.u IS NOT NULL)
SELECT u FROM free WHERE u IS NOT NULL;

-- find due --
-- Of one urgency, longest due first.
SELECT urgency, due, message, number FROM delivery INDEXED BY delivery_due
 WHERE claimed_by IS NULL AND urgency = :urgency AND due <= :now
 ORDER BY due, message, number LIMIT :limit;

-- find ended --
-- Claims whose lease has ended, slot by slot and urgency by urgency: seldom any.
WITH RECURSIVE slot (n) AS (
  SELECT * FROM (SELECT claimed_by FROM delivery INDEXED BY delivery_due
                  WHERE due IS NOT NULL AND claimed_by IS NOT NULL ORDER BY claimed_by LIMIT 1)
   UNION ALL
  SELECT (SELECT claimed_by FROM delivery INDEXED BY delivery_due
           WHERE due IS NOT NULL AND claimed_by > slot.n ORDER BY claimed_by LIMIT 1)
    FROM slot WHERE slot.n IS NOT NULL),
held (n, u) AS (
  SELECT slot.n, (SELECT urgency FROM delivery INDEXED BY delivery_due
                   WHERE due IS NOT NULL AND claimed_by = slot.n ORDER BY urgency LIMIT 1)
    FROM slot WHERE slot.n IS NOT NULL
   UNION ALL
  SELECT held.n, (SELECT urgency FROM delivery INDEXED BY delivery_due
                   WHERE due IS NOT NULL AND claimed_by = held.n AND urgency > held.u
                   ORDER BY urgency LIMIT 1)
    FROM held WHERE held.u IS NOT NULL)
SELECT d.urgency, d.due, d.message, d.number
  FROM held CROSS JOIN delivery AS d INDEXED BY delivery_due
 WHERE d.claimed_by = held.n AND d.urgency = held.u AND d.due <= :now LIMIT :limit;

-- claim --
-- By key.  A claim that ended keeps the time it had before the first claim.
UPDATE delivery
   SET was_due = CASE WHEN claimed_by IS NULL THEN due ELSE was_due END,
       claimed_by = :slot, due = :lease_until
  FROM (SELECT value ->> 0 AS message, value ->> 1 AS number FROM json_each(:keys)) AS wanted
 WHERE delivery.message = wanted.message AND delivery.number = wanted.number;

-- give back --
-- Fenced by the slot; what the lease replaced is the time again.  (The + keeps the planner from
-- walking all claims of the slot for each key.)
UPDATE delivery
   SET due = was_due, was_due = NULL, claimed_by = NULL
  FROM (SELECT value ->> 0 AS message, value ->> 1 AS number FROM json_each(:keys)) AS wanted
 WHERE delivery.message = wanted.message AND delivery.number = wanted.number
   AND +claimed_by = :slot;

-- renew --
-- The index leads with the claim: costs what the slot holds.
UPDATE delivery INDEXED BY delivery_due SET due = :lease_until
 WHERE claimed_by = :slot AND due IS NOT NULL;

-- held by slots --
-- Their holders are dead: nobody knows which of these had been sent whole.
SELECT message, number, recipient, route, attempts, was_due
  FROM delivery INDEXED BY delivery_due
 WHERE claimed_by IN (SELECT value FROM json_each(?)) AND due IS NOT NULL;

-- release slots --
-- Due again at the old time, and marked: what comes of them now may be there twice.
UPDATE delivery INDEXED BY delivery_due
   SET due = was_due, was_due = NULL, claimed_by = NULL, state = 'uncertain', cause = 'server',
       why = :why
 WHERE claimed_by IN (SELECT value FROM json_each(:slots)) AND due IS NOT NULL;

-- messages --
-- Without the header, which is long and seldom wanted.
SELECT id, account, sender, declared, body_type, smtputf8, ret, envid, size, received, expires,
       message_id, subject, lane, demands
  FROM message WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id;

-- deliveries --
-- Every recipient is needed to give a message its envelope back.
SELECT message, number, recipient, notify, orcpt, state, attempts, due, warned, claimed_by,
       route, cause, reply, site, why, urgency
  FROM delivery WHERE message IN (SELECT value FROM json_each(?)) ORDER BY message, number;

-- content --
-- No row: unknown, or let go.
SELECT message.header, body.file, body.size, body.data
  FROM body JOIN message ON message.id = body.message WHERE body.message = ?;

-- accounts --
-- With their grants in the row, so that one statement is enough.
SELECT id, address, name, suspended, password_hash, password_over_smtp, messages_per_day,
       recipients_per_day, recipients_per_message, message_size, created,
       lane, (SELECT json_group_array(pattern) FROM grant_ WHERE grant_.account = account.id)
  FROM account ORDER BY address;

-- account --
-- Apart from `accounts`, so that it is one look-up in the index of addresses.
SELECT id, address, name, suspended, password_hash, password_over_smtp, messages_per_day,
       recipients_per_day, recipients_per_message, message_size, created,
       lane, (SELECT json_group_array(pattern) FROM grant_ WHERE grant_.account = account.id)
  FROM account WHERE address = :address;

-- add account --
-- A second account of an address breaks the index, which is how it is found out.
INSERT INTO account (address, name, suspended, password_hash, password_over_smtp, created)
VALUES (:address, :name, 0, :password_hash, 0, :now);

-- change account --
-- NULL leaves a column as it is.
UPDATE account SET suspended = coalesce(:suspended, suspended),
       password_hash = coalesce(:password_hash, password_hash),
       password_over_smtp = coalesce(:password_over_smtp, password_over_smtp),
       lane = coalesce(:lane, lane)
 WHERE address = :address;

-- limit account --
-- Here NULL is a value: the server's own limit.
UPDATE account SET messages_per_day = :messages_per_day,
       recipients_per_day = :recipients_per_day,
       recipients_per_message = :recipients_per_message, message_size = :message_size
 WHERE address = :address;

-- remove account --
-- Mail stays; ids are never given again, so nothing can be taken for another account's.
DELETE FROM account WHERE id = ?;

-- remove grants --
-- With the account.
DELETE FROM grant_ WHERE account = ?;

-- remove app passwords --
-- With the account.
DELETE FROM app_password WHERE account = ?;

-- remove usage --
-- With the account.
DELETE FROM usage WHERE account = ?;

-- remove usage total --
-- With the account.
DELETE FROM usage_total WHERE account = ?;

-- grant --
-- Given twice is given.
INSERT OR IGNORE INTO grant_ (account, pattern) VALUES (?, ?);

-- withdraw --
-- The number of rows tells whether it had been given.
DELETE FROM grant_ WHERE account = ? AND pattern = ?;

-- add app password --
-- The secret itself is kept nowhere.
INSERT INTO app_password (account, label, fingerprint, created, last_peer)
VALUES (?, ?, ?, ?, '') RETURNING id;

-- app passwords --
-- Revoked ones too: a list that hides them cannot explain a refusal.
SELECT app_password.id, account, label, fingerprint, app_password.created, last_used, last_peer,
       revoked
  FROM app_password JOIN account ON account.id = app_password.account
 WHERE account.address = ? ORDER BY app_password.id;

-- revoke app password --
-- The first revocation is the one that counts.
UPDATE app_password SET revoked = coalesce(revoked, :now)
 WHERE id = :id AND account = (SELECT id FROM account WHERE address = :address);

-- use app password --
-- May come late and out of order: the latest use stays.
UPDATE app_password SET last_used = :now, last_peer = :peer
 WHERE id = :id AND (last_used IS NULL OR last_used <= :now);

-- select open --
-- Oldest first along the index of what is not finished: fifty rows cost the same of any queue,
-- and the next fifty go on after them.
SELECT d.message, d.number, d.recipient, d.notify, d.orcpt, d.state, d.attempts, d.due, d.warned,
       d.claimed_by, d.route, d.cause, d.reply, d.site, d.why, d.urgency, m.sender
  FROM delivery AS d INDEXED BY delivery_open CROSS JOIN message AS m ON m.id = d.message
 WHERE d.state IN ('queued', 'deferred', 'uncertain', 'held')
   AND (:state IS NULL OR d.state = :state)
   AND (:sender IS NULL OR m.sender = :sender COLLATE NOCASE)
   AND (:recipient IS NULL OR d.recipient = :recipient COLLATE NOCASE)
   AND (:domain IS NULL OR substr(d.recipient, -length(:domain)) = :domain COLLATE NOCASE)
   AND (:route IS NULL OR d.route = :route)
   AND (:cause IS NULL OR d.cause = :cause)
   AND (d.message, d.number) > (:after_message, :after_number)
   AND (:site IS NULL OR d.site = :site COLLATE NOCASE)
 ORDER BY d.message, d.number LIMIT :limit;

-- select all --
-- Oldest first along the primary key, finished ones too.
SELECT d.message, d.number, d.recipient, d.notify, d.orcpt, d.state, d.attempts, d.due, d.warned,
       d.claimed_by, d.route, d.cause, d.reply, d.site, d.why, d.urgency, m.sender
  FROM delivery AS d CROSS JOIN message AS m ON m.id = d.message
 WHERE (:state IS NULL OR d.state = :state)
   AND (:sender IS NULL OR m.sender = :sender COLLATE NOCASE)
   AND (:recipient IS NULL OR d.recipient = :recipient COLLATE NOCASE)
   AND (:domain IS NULL OR substr(d.recipient, -length(:domain)) = :domain COLLATE NOCASE)
   AND (:route IS NULL OR d.route = :route)
   AND (:cause IS NULL OR d.cause = :cause)
   AND (d.message, d.number) > (:after_message, :after_number)
   AND (:site IS NULL OR d.site = :site COLLATE NOCASE)
 ORDER BY d.message, d.number LIMIT :limit;

-- select message --
-- One message by its key; `all` shows what is finished too.
SELECT d.message, d.number, d.recipient, d.notify, d.orcpt, d.state, d.attempts, d.due, d.warned,
       d.claimed_by, d.route, d.cause, d.reply, d.site, d.why, d.urgency, m.sender
  FROM delivery AS d CROSS JOIN message AS m ON m.id = d.message
 WHERE d.message = :message AND (:number IS NULL OR d.number = :number)
   AND (:all OR d.state IN ('queued', 'deferred', 'uncertain', 'held'))
   AND (:state IS NULL OR d.state = :state)
   AND (:sender IS NULL OR m.sender = :sender COLLATE NOCASE)
   AND (:recipient IS NULL OR d.recipient = :recipient COLLATE NOCASE)
   AND (:domain IS NULL OR substr(d.recipient, -length(:domain)) = :domain COLLATE NOCASE)
   AND (:route IS NULL OR d.route = :route)
   AND (:cause IS NULL OR d.cause = :cause)
   AND d.number > :after_number
   AND (:site IS NULL OR d.site = :site COLLATE NOCASE)
 ORDER BY d.number LIMIT :limit;

-- counts --
-- A walk over everything, for people; the workers keep their own counters.
SELECT state, count(*) FROM delivery GROUP BY state;

-- move by hand --
-- By key, after looking: both are in one transaction.
UPDATE delivery SET state = :state, due = :due, was_due = NULL, claimed_by = NULL, why = ''
  FROM (SELECT value ->> 0 AS message, value ->> 1 AS number FROM json_each(:keys)) AS wanted
 WHERE delivery.message = wanted.message AND delivery.number = wanted.number;

-- captured --
-- Newest first along the index of what was captured and nothing else.
SELECT DISTINCT message FROM delivery INDEXED BY delivery_captured
 WHERE state = 'captured' ORDER BY message DESC LIMIT ?;

-- captured message --
-- The inbox shows a message for the recipients that it was captured for.
SELECT 1 FROM delivery WHERE message = ? AND state = 'captured' LIMIT 1;

-- only captured --
-- Messages that were captured for everybody, and can go wholly.
SELECT DISTINCT message FROM delivery INDEXED BY delivery_captured
 WHERE state = 'captured'
   AND NOT EXISTS (SELECT 1 FROM delivery AS other
                    WHERE other.message = delivery.message AND other.state <> 'captured');

-- remove captured --
-- What is left: deliveries to others keep their message.
DELETE FROM delivery WHERE state = 'captured' RETURNING message;

-- finished before --
-- Ids lead with the time, so the walk ends where `bound` says; some at a time, because others
-- want to write too.
SELECT id FROM message
 WHERE id < :bound AND received < :before
   AND NOT EXISTS (SELECT 1 FROM delivery
                    WHERE delivery.message = message.id
                      AND state IN ('queued', 'deferred', 'uncertain', 'held'))
 ORDER BY id LIMIT :limit;

-- files of --
-- Read before the rows go, deleted after the commit.
SELECT file FROM body WHERE file IS NOT NULL AND message IN (SELECT value FROM json_each(?));

-- all files --
-- What the sweep of the body folder must leave alone.
SELECT file FROM body WHERE file IS NOT NULL;

-- remove messages --
-- By key.
DELETE FROM message WHERE id IN (SELECT value FROM json_each(?));

-- remove deliveries --
-- By key.
DELETE FROM delivery WHERE message IN (SELECT value FROM json_each(?));

-- remove attempts --
-- By key.
DELETE FROM attempt WHERE message IN (SELECT value FROM json_each(?));

-- remove key --
-- The words are known from the message: no index from message to key is needed.
DELETE FROM search WHERE key = ? AND message = ?;

-- remove entries --
-- Along the index of time.
DELETE FROM entry WHERE id IN (SELECT id FROM entry WHERE at < ? ORDER BY at LIMIT ?);

-- find --
-- Keys lead with the time (see words.py): the times in which there was mail are found by leaps
-- along the index, newest first, and each is asked for the word.
WITH RECURSIVE time (n) AS (
  SELECT * FROM (SELECT key >> 38 FROM search WHERE key < 9223372036854775807
                  ORDER BY key DESC LIMIT 1)
   UNION ALL
  SELECT (SELECT key >> 38 FROM search WHERE key < time.n << 38 ORDER BY key DESC LIMIT 1)
    FROM time WHERE time.n IS NOT NULL)
SELECT search.message FROM time CROSS JOIN search ON search.key = (time.n << 38) | :hash
 ORDER BY search.message DESC LIMIT :limit;

-- happenings of --
-- In the order in which they were committed.
SELECT at, kind, message, data FROM entry WHERE message = ? ORDER BY id;

-- attempts of --
-- In order of time.
SELECT number, at, seconds, route, remote, tls, reply, transcript, trust
  FROM attempt WHERE message = ? ORDER BY at, number, count;

-- journal --
-- Newest first along the index of time.
SELECT at, kind, message, data FROM entry
 WHERE at >= :since AND (:kind IS NULL OR kind = :kind) ORDER BY at DESC, id DESC LIMIT :limit;

-- come back --
-- Fenced by the state: what is told twice, or of a delivery that never left, changes nothing; and
-- by the claim: a worker that is about to settle it would settle in vain.
UPDATE delivery SET state = :state, cause = :cause, reply = :reply, due = NULL, was_due = NULL
 WHERE message = :message AND number = :number AND claimed_by IS NULL
   AND state IN (SELECT value FROM json_each(:before));

-- state of --
-- By key.
SELECT state FROM delivery WHERE message = ? AND number = ?;

-- recipients of --
-- Where a notice names a person and not a number: a spelling is compared as a mailbox.
SELECT number, recipient FROM delivery WHERE message = :message ORDER BY number;

-- put suppression --
-- What holds for good is not replaced by what ends.
INSERT INTO suppression (address, lane, reason, detail, message, created, expires)
VALUES (?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (address, lane) DO UPDATE
   SET reason = excluded.reason, detail = excluded.detail, message = excluded.message,
       created = excluded.created, expires = excluded.expires
 WHERE suppression.expires IS NOT NULL OR excluded.expires IS NULL;

-- suppressed --
-- A look-up by key for each recipient; the one of the lane itself comes last and is told.
SELECT address, lane, reason, detail, message, created, expires FROM suppression
 WHERE address IN (SELECT value FROM json_each(:addresses)) AND lane IN ('', :lane)
   AND (expires IS NULL OR expires > :now)
 ORDER BY address, lane;

-- any suppression --
-- As long as nobody is suppressed, nobody has to be asked about.
SELECT 1 FROM suppression LIMIT 1;

-- suppressions --
-- By key; a list is as long as its limit, and the next goes on after its last.
SELECT address, lane, reason, detail, message, created, expires FROM suppression
 WHERE (address, lane) > (:after_address, :after_lane)
   AND (:address IS NULL OR address = :address) AND (:lane IS NULL OR lane = :lane)
   AND (:reason IS NULL OR reason = :reason)
 ORDER BY address, lane LIMIT :limit;

-- remove suppression --
-- By key.
DELETE FROM suppression WHERE address = :address AND (:lane IS NULL OR lane = :lane);

-- end suppressions --
-- They count no more; now they are not listed either.
DELETE FROM suppression WHERE expires <= ?;

-- domains --
-- Few; by name, as people read them.
SELECT name, token, created, verified FROM domain ORDER BY name;

-- domain --
-- By key.
SELECT name, token, created, verified FROM domain WHERE name = ?;

-- add domain --
-- The key says when there is one already.
INSERT INTO domain (name, token, created) VALUES (?, ?, ?);

-- verify domain --
-- The first proof is the one to remember.
UPDATE domain SET verified = coalesce(verified, :now) WHERE name = :name;

-- remove domain --
-- Its keys go first, in the same transaction.
DELETE FROM domain WHERE name = ?;

-- remove domain keys --
-- Nobody may sign for a domain that is not ours any more.
DELETE FROM dkim_key WHERE domain = ?;

-- dkim keys --
-- Of one domain, or of all with NULL; a worker reads them all after a change.
SELECT id, domain, selector, algorithm, private_sealed, public, created, active_from,
       active_until, remove_after
  FROM dkim_key WHERE :domain IS NULL OR domain = :domain ORDER BY id;

-- dkim key --
-- By key.
SELECT id, domain, selector, algorithm, private_sealed, public, created, active_from,
       active_until, remove_after
  FROM dkim_key WHERE id = ?;

-- add dkim key --
-- Only where the domain is: somebody may have removed it meanwhile.
INSERT INTO dkim_key (domain, selector, algorithm, private_sealed, public, created, active_from)
SELECT name, :selector, :algorithm, :private_sealed, :public, :now, :active_from
  FROM domain WHERE name = :domain
RETURNING id;

-- activate dkim key --
-- An end that was set for it is no more.
UPDATE dkim_key SET active_from = :active_from, active_until = NULL, remove_after = NULL
 WHERE id = :id;

-- retire dkim key --
-- The record stays published until `remove_after`: signatures are on their way.
UPDATE dkim_key SET active_until = :active_until, remove_after = :remove_after WHERE id = :id;

-- remove dkim key --
-- By key.
DELETE FROM dkim_key WHERE id = ?;

-- count tls --
-- One row for each kind of session of a day.
INSERT INTO tls_result (day, domain, policy_type, policy, mx_patterns, sending_ip, receiving_mx,
                        receiving_ip, result, count)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET count = count + excluded.count;

-- tls results --
-- Along the key.
SELECT day, domain, policy_type, policy, mx_patterns, sending_ip, receiving_mx, receiving_ip,
       result, count
  FROM tls_result WHERE day = ?
 ORDER BY domain, policy_type, policy, mx_patterns, sending_ip, receiving_mx, receiving_ip,
          result;

-- claim tls report --
-- A lease, so that one node sends the report, and another one if that node dies over it.
INSERT INTO tls_report (day, domain, claimed_until) VALUES (:day, :domain, :lease_until)
    ON CONFLICT (day, domain) DO UPDATE SET claimed_until = excluded.claimed_until
 WHERE sent IS NULL AND claimed_until <= :now;

-- sent tls report --
-- For good: nobody sends it again.
INSERT INTO tls_report (day, domain, claimed_until, sent) VALUES (:day, :domain, :now, :now)
    ON CONFLICT (day, domain) DO UPDATE SET sent = excluded.sent;

-- forget tls results --
-- Along the key.
DELETE FROM tls_result WHERE day < ?;

-- forget tls reports --
-- Along the key.
DELETE FROM tls_report WHERE day < ?;
