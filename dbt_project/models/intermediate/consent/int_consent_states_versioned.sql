with

members as (
    select * from {{ ref('int_newsletter_members_versioned') }}
),

registrations as (
    select * from {{ ref('stg_product_registrations__registration_versions') }}
    where has_requested_newsletter and email is not null
),

objections as (
    select * from {{ ref('int_crm_objections_versioned') }}
),

stacked as (
    select
        source,
        source_record,
        list_id,
        contact_point,
        source_status,
        consent_event,
        signed_up_at,
        is_sign_up_time_known,
        signed_up_ip,
        opted_at,
        is_opt_time_known,
        opted_ip,
        has_double_opt_in_evidence,
        changed_at,
        is_change_time_known,
        pulled_at,
        load_id,
        file_row
    from members
    union all
    select
        'product_registrations' as source,
        registration_id as source_record,
        'registrations' as list_id,
        email as contact_point,
        cast(null as {{ dbt.type_string() }}) as source_status,
        cast(null as {{ dbt.type_string() }}) as consent_event,
        registered_at as signed_up_at,
        has_registration_time as is_sign_up_time_known,
        cast(null as {{ dbt.type_string() }}) as signed_up_ip,
        newsletter_confirmed_at as opted_at,
        has_confirmation_time as is_opt_time_known,
        cast(null as {{ dbt.type_string() }}) as opted_ip,
        coalesce(newsletter_confirmed_at >= registered_at, false) as has_double_opt_in_evidence,
        null as changed_at,
        false as is_change_time_known,
        pulled_at,
        load_id,
        file_row
    from registrations
    union all
    -- A CRM tells when the record was last changed, at whatever place in it.
    select
        source,
        source_record,
        null as list_id,
        contact_point,
        source_status,
        consent_event,
        null as signed_up_at,
        false as is_sign_up_time_known,
        null as signed_up_ip,
        null as opted_at,
        false as is_opt_time_known,
        null as opted_ip,
        false as has_double_opt_in_evidence,
        changed_at,
        false as is_change_time_known,
        pulled_at,
        load_id,
        file_row
    from objections
),

said as (
    select
        *,
        coalesce(consent_event, '')
        || '|' || coalesce(cast(signed_up_at as {{ dbt.type_string() }}), '')
        || '|' || coalesce(cast(opted_at as {{ dbt.type_string() }}), '')
        || '|' || cast(is_change_time_known as {{ dbt.type_string() }}) as statement
    from stacked
),

compared as (
    select
        *,
        lag(statement) over (
            partition by source, source_record, contact_point order by load_id, file_row
        ) as previous_statement
    from said
),

-- What ends a consent is dated as late as it may have been, and never before the consent that the
-- same record shows.
final as (
    select
        source,
        source_record,
        list_id,
        contact_point,
        source_status,
        consent_event,
        signed_up_at,
        is_sign_up_time_known,
        signed_up_ip,
        opted_at,
        is_opt_time_known,
        opted_ip,
        has_double_opt_in_evidence,
        coalesce(statement = previous_statement, false) as is_as_before,
        case
            when consent_event = 'imported_without_proof'
                then coalesce(opted_at, changed_at, pulled_at)
            else greatest(coalesce(changed_at, pulled_at), signed_up_at, opted_at)
        end as state_since,
        case
            when consent_event = 'imported_without_proof'
                then opted_at is not null and is_opt_time_known
            else is_change_time_known
        end as is_state_time_known,
        pulled_at,
        load_id
    from compared
)

select * from final
