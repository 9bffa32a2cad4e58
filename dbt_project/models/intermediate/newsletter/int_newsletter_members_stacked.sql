with

mailchimp as (
    select
        *,
        lag(has_given_permission) over (partition by membership_id order by load_id, file_row)
            as had_given_permission
    from {{ ref('stg_mailchimp__member_versions') }}
    where not is_deleted and email is not null
),

rapidmail as (
    select * from {{ ref('stg_rapidmail__recipient_versions') }}
    where email is not null
),

lists as (
    select * from {{ ref('int_newsletter_lists_dated') }}
),

-- Where an audience asks for no confirmation, and for an address that was put in by import,
-- timestamp_opt is only when the address came: there is no form before it, or in the same second.
final as (
    select
        'mailchimp' as source,
        mailchimp.membership_id as source_record,
        mailchimp.list_id,
        mailchimp.email as contact_point,
        lower(mailchimp.source_status) as source_status,
        mailchimp.signed_up_at,
        true as is_sign_up_time_known,
        mailchimp.signed_up_ip,
        mailchimp.opted_at,
        true as is_opt_time_known,
        mailchimp.opted_ip,
        mailchimp.changed_at,
        true as is_change_time_known,
        mailchimp.opted_at > mailchimp.signed_up_at
        and lists.has_double_opt_in
        and (not coalesce(lists.has_marketing_permissions, false) or mailchimp.has_given_permission)
            as is_confirmed,
        lists.has_marketing_permissions
        and mailchimp.had_given_permission
        and not mailchimp.has_given_permission as is_permission_taken_back,
        mailchimp.language,
        mailchimp.is_current,
        mailchimp.pulled_at,
        mailchimp.load_id,
        mailchimp.file_row
    from mailchimp
    left join lists
        on
            mailchimp.list_id = lists.list_id
            and (mailchimp.opted_at >= lists.valid_from or lists.valid_from is null)
            and (mailchimp.opted_at < lists.valid_before or lists.valid_before is null)
    union all
    -- One recipient list a folder. Of a change of which only the day is known its end counts, of a
    -- confirmation the beginning: so no withdrawal of that day is missed.
    select
        'rapidmail' as source,
        email as source_record,
        'recipients' as list_id,
        email as contact_point,
        lower(source_status) as source_status,
        signed_up_at,
        has_sign_up_time as is_sign_up_time_known,
        signed_up_ip,
        confirmed_at as opted_at,
        has_confirmation_time as is_opt_time_known,
        confirmed_ip as opted_ip,
        case
            when has_change_time then changed_at else {{ dbt.dateadd('day', 1, 'changed_at') }}
        end as changed_at,
        has_change_time as is_change_time_known,
        confirmed_at >= signed_up_at as is_confirmed,
        false as is_permission_taken_back,
        language,
        is_current,
        pulled_at,
        load_id,
        file_row
    from rapidmail
)

select * from final
