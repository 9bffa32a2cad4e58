with

list_versions as (
    select * from {{ ref('stg_mailchimp__list_versions') }}
    where not is_deleted
),

compared as (
    select
        *,
        lag(version_id) over by_list is null as is_first,
        lag(has_double_opt_in) over by_list as had_double_opt_in,
        lag(has_marketing_permissions) over by_list as had_marketing_permissions
    from list_versions
    window by_list as (partition by list_id order by load_id, version_id)
),

changed as (
    select * from compared
    where
        is_first
        or has_double_opt_in is distinct from had_double_opt_in
        or has_marketing_permissions is distinct from had_marketing_permissions
),

-- Nothing older is known than the first reading, so what it says is taken to have held before.
final as (
    select
        'mailchimp' as source,
        list_id,
        has_double_opt_in,
        has_marketing_permissions,
        case when not is_first then pulled_at end as valid_from,
        lead(pulled_at) over (partition by list_id order by load_id, version_id) as valid_before
    from changed
)

select * from final
