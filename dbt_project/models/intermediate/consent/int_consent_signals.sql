{#- One event is told to every purpose it is about; what it means there is said here, and what all
    of it together allows in int_consent_decisions. -#}
with

scopes as (
    select
        scopes.*,
        jurisdictions.needs_confirmation
    from {{ ref('int_consent_scopes') }} as scopes
    inner join {{ ref('consent_jurisdictions') }} as jurisdictions
        on
            scopes.country = jurisdictions.country
            and scopes.channel = jurisdictions.channel
    where scopes.is_advertising
),

settings as (
    select cast(as_of as timestamp with time zone) as now_at
    from {{ ref('stg_company__settings') }}
),

-- What was pulled after the day that is looked at was known at its end, at the latest.
events as (
    select
        told.*,
        least(told.recorded_at, settings.now_at) as known_at,
        told.event in ('withdrawn', 'objected', 'bounced', 'erased', 'list_blocked') as is_refusal
    from {{ ref('stg_consent__events') }} as told
    cross join settings
),

texts as (
    select * from {{ ref('int_consent_texts_hashed') }}
),

-- The wording of a version is the one under which it was first recorded.
versions as (
    select
        text_version,
        case when count(distinct text_sha256) = 1 then max(text_sha256) end as text_sha256
    from events
    where text_sha256 is not null
    group by text_version
),

similar_goods as (
    select
        goods.purpose,
        lower(goods.product_code_pattern) as pattern
    from {{ ref('consent_similar_goods') }} as goods
    inner join {{ ref('stg_company__settings') }} as settings on goods.company = settings.company
),

-- A refusal holds against every company of the group where none was named.
scoped as (
    select
        scopes.subject,
        scopes.controller,
        scopes.purpose,
        scopes.needs_confirmation,
        events.event_id,
        events.event,
        events.source,
        events.record,
        events.happened_at,
        events.recorded_at,
        events.known_at,
        events.detail,
        events.document_ref,
        events.is_refusal,
        events.is_time_known,
        events.purpose = scopes.purpose or events.purpose = 'advertising' as is_about_it,
        case
            when texts.text_version is null then 'text version'
            when versions.text_sha256 is null or versions.text_sha256 <> texts.text_sha256
                then 'text as it was then'
            when
                events.happened_at < texts.valid_from
                or events.happened_at >= texts.valid_before
                then 'text in use then'
        end as missing_text,
        case when strpos(texts.channels, ';' || scopes.channel || ';') = 0 then 'channel' end
            as missing_channel,
        case
            when
                events.purpose <> scopes.purpose
                or strpos(texts.purposes, ';' || scopes.purpose || ';') = 0
                then 'purpose'
        end as missing_purpose,
        case when not scopes.is_valid then 'contact point' end as missing_point
    from scopes
    inner join events on scopes.subject = events.subject
    left join texts on events.text_version = texts.text_version
    left join versions on events.text_version = versions.text_version
    where
        events.controller = scopes.controller
        or (events.controller is null and (events.is_refusal or scopes.is_default_controller))
),

about_it as (
    select * from scoped
    where is_about_it
),

-- Both ticks of one form: every request with every confirmation of it that came later.
double_opt_ins as (
    select
        confirmed.subject,
        confirmed.controller,
        confirmed.purpose,
        confirmed.event_id,
        greatest(confirmed.known_at, coalesce(requested.known_at, confirmed.known_at)) as known_at,
        -- A clock that runs ahead must not outlive a later refusal.
        least(requested.happened_at, requested.recorded_at) as requested_at,
        least(confirmed.happened_at, confirmed.recorded_at) as signed_at,
        -- Nobody reads a mail and answers it in one moment: one of both is not what it says.
        case
            when
                requested.happened_at is null
                or (
                    requested.happened_at = confirmed.happened_at
                    and requested.is_time_known
                    and confirmed.is_time_known
                )
                then 'time of the request'
        end as missing_request,
        case when confirmed.happened_at is null then 'time of the confirmation' end
            as missing_signature,
        case
            when requested.event_id is null then confirmed.missing_text else requested.missing_text
        end as missing_text,
        case
            when requested.event_id is null then confirmed.missing_channel
            else requested.missing_channel
        end as missing_channel,
        coalesce(requested.missing_purpose, confirmed.missing_purpose) as missing_purpose,
        confirmed.missing_point,
        'double opt-in' as way
    from about_it as confirmed
    left join about_it as requested
        on
            confirmed.subject = requested.subject
            and confirmed.controller = requested.controller
            and confirmed.purpose = requested.purpose
            and confirmed.source = requested.source
            and confirmed.record = requested.record
            and case when requested.event = 'requested' then requested.happened_at end
            <= coalesce(confirmed.happened_at, confirmed.recorded_at)
    where confirmed.event = 'confirmed'
),

-- A request alone suffices where the law of the country and the company say so; a paper always.
single as (
    select
        subject,
        controller,
        purpose,
        event_id,
        known_at,
        least(happened_at, recorded_at) as requested_at,
        least(happened_at, recorded_at) as signed_at,
        case when happened_at is null then 'time of the signature' end as missing_request,
        case when event = 'granted_offline' and document_ref is null then 'document' end
            as missing_signature,
        missing_text,
        missing_channel,
        missing_purpose,
        missing_point,
        case when event = 'requested' then 'opt-in' else 'on paper' end as way
    from about_it
    where event = 'granted_offline' or (event = 'requested' and not needs_confirmation)
),

declared as (
    select * from double_opt_ins
    union all
    select * from single
),

grants as (
    select
        *,
        nullif(concat_ws(
            ', ', missing_request, missing_signature, missing_text, missing_purpose,
            missing_channel, missing_point
        ), '') as missing
    from declared
),

final as (
    -- Whoever refused and when, the later one first; of an unknown time the latest possible.
    select
        subject,
        controller,
        purpose,
        known_at,
        'refusal' as signal,
        coalesce(happened_at, recorded_at) as counted_at,
        event_id,
        event as detail,
        cast(null as timestamp with time zone) as signed_at
    from about_it
    where event in ('withdrawn', 'objected', 'bounced', 'erased')
    union all
    select
        subject,
        controller,
        purpose,
        known_at,
        case when detail = 'ecg' then 'ecg' else 'suppression' end as signal,
        coalesce(happened_at, recorded_at) as counted_at,
        event_id,
        detail,
        null as signed_at
    from about_it
    where event = 'list_blocked'
    union all
    select
        subject,
        controller,
        purpose,
        known_at,
        case when missing is null then 'grant' else 'flawed grant' end as signal,
        coalesce(requested_at, signed_at, known_at) as counted_at,
        event_id,
        coalesce(missing, way) as detail,
        signed_at
    from grants
    union all
    select
        subject,
        controller,
        purpose,
        known_at,
        case event
            when 'requested' then 'request'
            -- Its request may be told later, or never.
            when 'confirmed' then 'confirmation'
            else 'import'
        end as signal,
        coalesce(happened_at, recorded_at) as counted_at,
        event_id,
        event as detail,
        null as signed_at
    from about_it
    where event in ('requested', 'confirmed', 'imported_without_proof')
    union all
    select
        subject,
        controller,
        purpose,
        known_at,
        'use' as signal,
        least(happened_at, recorded_at) as counted_at,
        event_id,
        event as detail,
        null as signed_at
    from about_it
    where event = 'used' and happened_at is not null
    union all
    -- A refusal of any purpose ends the exception for all of them.
    select
        subject,
        controller,
        purpose,
        known_at,
        'any refusal' as signal,
        coalesce(happened_at, recorded_at) as counted_at,
        event_id,
        event as detail,
        null as signed_at
    from scoped
    where is_refusal
    union all
    select
        subject,
        controller,
        purpose,
        known_at,
        case when event = 'notice_given' then 'notice ' || detail else 'sale' end as signal,
        least(happened_at, recorded_at) as counted_at,
        event_id,
        detail,
        null as signed_at
    from about_it
    where
        happened_at is not null
        and (event = 'notice_given' or detail like 'paid_contract:%')
    union all
    select
        sold.subject,
        sold.controller,
        sold.purpose,
        sold.known_at,
        'similar sale' as signal,
        least(sold.happened_at, sold.recorded_at) as counted_at,
        sold.event_id,
        sold.detail,
        null as signed_at
    from about_it as sold
    inner join similar_goods
        on
            sold.purpose = similar_goods.purpose
            and substring(sold.detail, 15) like similar_goods.pattern
    where
        sold.event = 'exception_basis_recorded'
        and sold.detail like 'paid_contract:%'
        and sold.happened_at is not null
)

select * from final
