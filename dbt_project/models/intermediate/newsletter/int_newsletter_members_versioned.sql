with

members as (
    select * from {{ ref('int_newsletter_members_stacked') }}
),

statuses as (
    select * from {{ ref('newsletter_statuses') }}
),

stated as (
    select
        members.*,
        statuses.source is not null as is_status_known,
        coalesce(statuses.status, 'unknown') as status,
        statuses.consent_event
    from members
    left join statuses
        on
            members.source = statuses.source
            and members.source_status = statuses.source_status
),

withdrawals as (
    select
        source,
        source_record,
        changed_at as withdrawn_at
    from stated
    where status = 'unsubscribed'
    union all
    select
        'mailchimp' as source,
        membership_id as source_record,
        unsubscribed_at as withdrawn_at
    from {{ ref('stg_mailchimp__unsubscribes') }}
),

-- Whoever is put back onto a list by hand keeps the old request: it proves nothing after the
-- withdrawal.
outdated as (
    select distinct
        stated.source,
        stated.source_record,
        stated.signed_up_at,
        stated.opted_at
    from stated
    inner join withdrawals
        on
            stated.source = withdrawals.source
            and stated.source_record = withdrawals.source_record
            and stated.signed_up_at < withdrawals.withdrawn_at
            and stated.opted_at > withdrawals.withdrawn_at
),

-- What an archived address or one of unknown status was before, nobody tells.
proven as (
    select
        stated.*,
        coalesce(stated.is_confirmed, false)
        and outdated.source is null
        and stated.status in ('subscribed', 'unsubscribed', 'bounced')
            as has_double_opt_in_evidence
    from stated
    left join outdated
        on
            stated.source = outdated.source
            and stated.source_record = outdated.source_record
            and stated.signed_up_at = outdated.signed_up_at
            and stated.opted_at = outdated.opted_at
),

final as (
    select
        source,
        source_record,
        list_id,
        contact_point,
        source_status,
        status,
        is_status_known,
        signed_up_at,
        is_sign_up_time_known,
        signed_up_ip,
        opted_at,
        is_opt_time_known,
        opted_ip,
        has_double_opt_in_evidence,
        case
            when status = 'subscribed' and is_permission_taken_back then 'withdrawn'
            when status = 'subscribed' and has_double_opt_in_evidence then null
            else consent_event
        end as consent_event,
        changed_at,
        is_change_time_known,
        language,
        is_current,
        pulled_at,
        load_id,
        file_row
    from proven
)

select * from final
