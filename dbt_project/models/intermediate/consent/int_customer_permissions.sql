with

decisions as (
    select * from {{ ref('int_consent_decisions') }}
    where valid_before is null
),

purposes as (
    select * from {{ ref('consent_purposes') }}
    where is_advertising
),

points as (
    select * from {{ ref('stg_consent__contact_points') }}
),

told as (
    select * from {{ ref('stg_matching__contact_points') }}
),

identities as (
    select * from {{ ref('stg_matching__identities') }}
),

-- Whose an address is says identity; what may be written to it, the address alone.
owners as (
    select distinct
        identities.customer_id,
        points.subject
    from told
    inner join points
        on
            told.channel = points.channel
            and coalesce(told.contact_point, told.value) = points.contact_point
    inner join identities
        on
            told.record_kind = identities.record_kind
            and told.source = identities.source
            and told.record_id = identities.record_id
),

final as (
    select
        owners.customer_id,
        decisions.subject,
        decisions.channel,
        decisions.contact_point,
        decisions.controller,
        decisions.purpose,
        decisions.is_allowed,
        decisions.reason,
        decisions.legal_basis,
        decisions.missing_evidence,
        decisions.decided_by_event_id,
        decisions.valid_from,
        decisions.review_due_on,
        case decisions.reason
            when 'consent' then 1
            when 'existing_customer' then 2
            when 'legitimate_interest' then 3
            when 'pending' then 4
            when 'unproven' then 5
            when 'stale' then 6
            when 'lapsed' then 7
            when 'exception_incomplete' then 8
            when 'ecg_listed' then 9
            when 'bounced' then 10
            when 'withdrawn' then 11
            when 'objected' then 12
            when 'suppressed' then 13
            when 'erased' then 14
            else 15
        end as reason_rank,
        case decisions.channel when 'email' then 1 when 'phone' then 2 else 3 end as channel_rank
    from decisions
    inner join purposes on decisions.purpose = purposes.purpose
    inner join owners on decisions.subject = owners.subject
)

select * from final
